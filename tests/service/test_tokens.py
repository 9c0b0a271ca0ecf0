"""What opens the API: bearer tokens that are ours, and for reads the cookie of the pages. Nothing else does."""

from __future__ import annotations

import base64
import hmac
import json
import time
import uuid

import pytest
from psycopg import sql

from tests.dealradar_process import KEY, OPERATOR, PASSWORD, USER

OTHER_KEY = "another key, as long as one has to be"


def _claims(**changes) -> dict[str, object]:
    now = int(time.time())
    claims = {
        "sub": "2",
        "role": "operator",
        "sid": str(uuid.uuid4()),
        "iss": "dealradar",
        "aud": "dealradar-api",
        "iat": now,
        "exp": now + 300,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signed(key: str = KEY, algorithm: str = "HS256", head: dict[str, object] | None = None, **changes) -> str:
    """A token as somebody who has a key would make it, who need not care for what a library refuses to write."""
    parts = ({"alg": algorithm, "typ": "JWT", **(head or {})}, _claims(**changes))
    signed = ".".join(_part(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_part(hmac.digest(key.encode(), signed.encode(), algorithm.replace('HS', 'sha')))}"


def _statuses(service, tokens: dict[str, str]) -> dict[str, int]:
    """What a read that needs the operator is answered with each token."""
    client = service.client()
    found = {}
    for kind, token in tokens.items():
        answer = client.get("/api/metrics/overview", headers=[(b"Authorization", b"Bearer " + token.encode("latin-1"))])
        assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"
        found[kind] = answer.status_code
    return found


def test_a_token_as_the_service_makes_it_is_taken(service):
    tokens = {"operator": _signed(), "user": _signed(role="user")}
    assert _statuses(service, tokens) == {"operator": 200, "user": 403}


WRONG_CLAIMS = {
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "no sub": {"sub": None},
    "no role": {"role": None},
    "no sid": {"sid": None},
    "no aud": {"aud": None},
    "no iss": {"iss": None},
    "other audience": {"aud": "another-api"},
    "audience among others' values": {"aud": ["another-api", 7]},
    "other issuer": {"iss": "somebody"},
    "issuer that is a list": {"iss": ["dealradar"]},
    "over": {"exp": int(time.time()) - 60},
    "exp of text": {"exp": "tomorrow"},
    "exp of NaN": {"exp": float("nan")},
    "from the future": {"iat": int(time.time()) + 3_600},
    "iat of infinity": {"iat": float("inf")},
    "not before later": {"nbf": int(time.time()) + 3_600},
    "sub of a number": {"sub": 2},
    "sub of text": {"sub": "two"},
    "sub of many digits": {"sub": "9" * 5_000},
}


def test_a_token_with_wrong_claims_is_401(service):
    tokens = {kind: _signed(**claims) for kind, claims in WRONG_CLAIMS.items()}
    assert _statuses(service, tokens) == dict.fromkeys(tokens, 401)


HEADS = {
    "none, with our signature": b'{"alg":"none","typ":"JWT"}',
    "RS256, with our signature": b'{"alg":"RS256","typ":"JWT"}',
    "head of nested lists": b"[" * 6_000,
    "head of a long number": b'{"alg":' + b"1" * 6_000 + b"}",
    "head that is a number": b"7",
    "head of bad UTF-8": b"\xff\xfe",
    "algorithm that is a list": b'{"alg":["HS256"]}',
    "payload elsewhere": b'{"alg":"HS256","b64":false,"crit":["b64"]}',
}


def _not_ours() -> dict[str, str]:
    head, body, signature = _signed().split(".")
    their_key = {"jwk": {"kty": "oct", "k": _part(OTHER_KEY.encode())}}
    return {
        **{kind: f"{_part(content)}.{body}.{signature}" for kind, content in HEADS.items()},
        "another key": _signed(OTHER_KEY),
        "a key that the token brings": _signed(OTHER_KEY, head=their_key),
        "HS384": _signed(algorithm="HS384"),
        "HS512": _signed(algorithm="HS512"),
        "none": f"{_part(HEADS['none, with our signature'])}.{body}.",
        "critical extension": _signed(head={"crit": ["exp"]}),
        "no signature": f"{head}.{body}.",
        "cut": f"{head}.{body}.{signature[:-2]}",
        "two parts": f"{head}.{body}",
        "four parts": f"{head}.{body}.{signature}.{signature}",
        "dots": "..",
        "spaces": f"{head} {body} {signature}",
        "no base64": "!!!.???.***",
        "not ASCII": f"{head}.{body}.é",
    }


def test_a_token_that_is_not_signed_by_us_is_401(service):
    tokens = _not_ours()
    assert _statuses(service, tokens) == dict.fromkeys(tokens, 401)


def test_a_huge_token_is_refused_before_it_is_read(service):
    assert _statuses(service, {"huge": "a" * 16_400}) == {"huge": 431}


def test_the_cookie_opens_reads(service, browser_cookie):
    client = service.client()
    assert client.get("/api/auth/me", headers=browser_cookie(USER)).json()["email"] == USER
    assert client.get("/api/metrics/overview", headers=browser_cookie(USER)).status_code == 403
    assert client.get("/api/metrics/overview", headers=browser_cookie(OPERATOR)).status_code == 200
    assert client.head("/api/auth/me", headers=browser_cookie(USER)).status_code == 200


def test_the_cookie_changes_nothing(service, browser_cookie):
    client = service.client()
    headers = browser_cookie(USER) | {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    writes = (
        ("PUT", "/api/me/watchlist/1", None),
        ("DELETE", "/api/me/watchlist/1", None),
        ("PUT", "/api/me/alerts/1", {"target_cents": 1}),
        ("POST", "/api/auth/logout", {}),
        ("POST", "/api/deals/1/comments", {"body": "Sent by another site"}),
    )
    answers = [client.request(method, path, json=body, headers=headers) for method, path, body in writes]
    assert [answer.status_code for answer in answers] == [401] * len(writes)


def test_a_wrong_header_is_not_mended_by_the_cookie(service, browser_cookie):
    client, cookie = service.client(), browser_cookie(USER)
    for header in ("Bearer x", "Basic eDp5", ""):
        assert client.get("/api/auth/me", headers=cookie | {"Authorization": header}).status_code == 401


@pytest.mark.parametrize("ending", ["revoked_at", "expires_at"])
def test_a_cookie_opens_nothing_once_its_session_is_over(service, db, browser_cookie, ending):
    cookie = browser_cookie(USER)
    db.execute(sql.SQL("UPDATE sessions SET {} = now()").format(sql.Identifier(ending)))
    assert service.client().get("/api/auth/me", headers=cookie).status_code == 401


def test_the_role_behind_a_cookie_is_that_of_the_moment(service, db, browser_cookie):
    cookie = browser_cookie(OPERATOR)
    db.execute("UPDATE users SET role = 'user'")
    assert service.client().get("/api/metrics/overview", headers=cookie).status_code == 403


def test_a_refresh_token_is_no_cookie_and_a_cookie_no_refresh_token(service, browser_cookie):
    client = service.client()
    tokens = client.post("/api/auth/login", json={"email": USER, "password": PASSWORD}).json()
    assert (
        client.get("/api/auth/me", headers={"Cookie": f"__Host-session={tokens['refresh_token']}"}).status_code == 401
    )
    cookie = browser_cookie(USER)["Cookie"].removeprefix("__Host-session=")
    assert client.post("/api/auth/refresh", json={"refresh_token": cookie}).status_code == 401


def test_a_malformed_cookie_is_401(service):
    client = service.client()
    for cookie in ("", "x", "\u00e9" * 43, "x" * 8_000, "a=b; __Host-session", '"' * 43, ";" * 43):
        headers = [(b"Cookie", f"__Host-session={cookie}".encode("latin-1"))]
        assert client.get("/api/auth/me", headers=headers).status_code == 401, cookie
