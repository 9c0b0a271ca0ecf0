"""Tokens that were not given out by the service open nothing."""

import base64
import hashlib
import hmac
import json
import time

import pytest

pytestmark = [pytest.mark.attacks]


def _part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _read(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def status(new_client):
    """What a read that needs the operator is answered with, for a token.

    Keep it in a name before it is asserted: pytest would show a part of the token, which is not known for a secret.
    """
    return lambda token: (
        new_client(headers={"Authorization": f"Bearer {token}"}).exchange("GET", "/api/metrics/overview").status
    )


@pytest.mark.check("auth.unsigned_token", severity="critical", source="RFC 8725, 3.1", subject="alg none")
def test_a_token_without_a_signature_is_refused(status, token):
    head, body, _ = token("operator").split(".")
    answered = status(f"{_part({**_read(head), 'alg': 'none'})}.{body}.")
    assert answered == 401


@pytest.mark.check("auth.other_algorithm", severity="critical", source="RFC 8725, 2.1", subject="alg {algorithm}")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "HS512", "None", ["HS256"], 7], ids=str)
def test_a_token_that_names_another_algorithm_is_refused(status, token, algorithm):
    head, body, signature = token("operator").split(".")
    answered = status(f"{_part({**_read(head), 'alg': algorithm})}.{body}.{signature}")
    assert answered == 401


@pytest.mark.check("auth.deep_token", severity="high", source="CWE-674", subject="a head of nested lists")
def test_a_token_that_is_hard_to_read_is_401(status, token):
    _, body, signature = token("operator").split(".")
    answered = status(f"{base64.urlsafe_b64encode(b'[' * 6_000).decode()}.{body}.{signature}")
    assert answered == 401


@pytest.mark.check("auth.huge_token", severity="high", source="RFC 6585, 5", subject="20,000 characters")
def test_a_huge_token_is_refused(status):
    answered = status("a" * 20_000)
    assert answered in (401, 431)


@pytest.mark.check("auth.tampered_token", severity="critical", source="RFC 7515, 5.2", subject="role changed")
def test_a_changed_role_is_refused(status, token):
    head, body, signature = token("user").split(".")
    answered = status(f"{head}.{_part({**_read(body), 'role': 'operator'})}.{signature}")
    assert answered == 401


@pytest.fixture
def key(stack_info):
    """The key that tokens are signed with."""
    if "SECRET_KEY" not in stack_info.settings:
        pytest.skip("the key of the service is not known here")
    return stack_info.settings["SECRET_KEY"].encode()


@pytest.mark.check("auth.expired_token", severity="high", source="RFC 7519, 4.1.4", subject="an hour after its end")
@pytest.mark.parametrize("seconds", [pytest.param(-3_600, id="over"), pytest.param(3_600, id="not over")])
def test_a_token_that_is_over_is_refused(status, token, key, seconds):
    head, body, _ = token("operator").split(".")
    signed = f"{head}.{_part({**_read(body), 'exp': int(time.time()) + seconds})}"
    signature = base64.urlsafe_b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    answered = status(f"{signed}.{signature}")
    assert answered == (401 if seconds < 0 else 200)


@pytest.mark.check("auth.malformed_token", severity="high", source="RFC 6750, 3.1", subject="{bad}")
@pytest.mark.parametrize(
    "bad", ["Bearer", "Bearer x", "Bearer a.b.c", "Bearer \u00e9\u00e9", "Basic eDp5", "Bearer a b"]
)
def test_a_malformed_token_is_401(client, bad):
    answer = client.exchange("GET", "/api/metrics/overview", headers=[("Authorization", bad.encode("latin-1"))])
    assert answer.status == 401


@pytest.mark.check("auth.not_stored", severity="high", source="RFC 6749, 5.1", subject="POST /api/auth/login")
def test_the_answer_to_a_login_is_not_stored(client):
    answer = client.exchange("POST", "/api/auth/login", json={"email": "nobody@dealradar.test", "password": "wrong"})
    assert "no-store" in (answer.header("Cache-Control") or "")
