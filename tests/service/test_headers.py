"""What browsers are told, in each environment and on every kind of answer."""

from __future__ import annotations

import pytest

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-resource-policy": "same-origin",
}
ANSWERS = {
    "/": 200,
    "/login": 200,
    "/alerts": 303,
    "/deals": 307,
    "/favicon.ico": 308,
    "/static/dealradar.css": 200,
    "/static/no-such-file.css": 404,
    "/no-such-path": 404,
    "/api/deals": 200,
    "/api/deals/0": 422,
    "/api/auth/me": 401,
    "/api/deals?" + "x" * 9000: 414,
    "/health/live": 200,
}
FRIEND = "https://app.dealradar.test"


def guards_of(answer) -> dict[str, str]:
    return {name: answer.headers.get(name, "") for name in ALWAYS}


def test_every_kind_of_answer_carries_all_of_them(service):
    client = service.client()
    for path, status in ANSWERS.items():
        answer = client.get(path)
        assert (path[:30], answer.status_code) == (path[:30], status)
        assert guards_of(answer) == ALWAYS
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("path", ["/", "/api/deals", "/api/reviews?limit=1"])
def test_even_an_unexpected_error_does(service, db, path, accept):
    db.execute("ALTER TABLE deals RENAME TO gone")
    client = service.client()
    answer = client.get(path, headers={"Accept": accept, "Origin": FRIEND})
    assert answer.status_code == 500
    assert guards_of(answer) == ALWAYS
    assert answer.headers["x-request-id"]
    assert "gone" not in answer.text
    assert "Traceback" not in answer.text
    is_page = accept == "text/html" and path == "/"
    assert answer.headers["content-type"].startswith("text/html" if is_page else "application/problem+json")
    if path.startswith("/api/"):
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert answer.headers["vary"] == "Origin"
    assert service.log().count('"unexpected error"') == 1


@pytest.mark.parametrize(
    ("environment", "hsts"),
    [
        ("development", None),
        ("test", "max-age=31536000; includeSubDomains"),
        ("production", "max-age=63072000; includeSubDomains"),
    ],
)
def test_what_differs_by_environment(start, environment, hsts):
    running = start(ENVIRONMENT=environment, TRUSTED_PROXIES="127.0.0.1/32")
    client = running.client()
    plain = client.get("/")
    secure = client.get("/", headers={"X-Forwarded-Proto": "https"})
    assert plain.headers.get("strict-transport-security") is None
    assert secure.headers.get("strict-transport-security") == hsts
    for answer in (plain, secure):
        assert guards_of(answer) == ALWAYS
        upgraded = "upgrade-insecure-requests" in answer.headers["content-security-policy"]
        assert upgraded is (environment == "production")


def test_origins_are_compared_exactly_and_caches_are_told(start):
    running = start(CORS_ORIGINS=f"{FRIEND},http://127.0.0.1:3000")
    client = running.client()
    for origin in (
        None,
        FRIEND,
        "http://127.0.0.1:3000",
        FRIEND + ":443",
        FRIEND.upper(),
        "null",
        "https://x.test",
    ):
        let_in = origin in {FRIEND, "http://127.0.0.1:3000"}
        for path in ("/api/deals", "/api/no-such-path", "/api/auth/me", "/openapi.json"):
            answer = client.get(path, headers={"Origin": origin} if origin else {})
            assert answer.headers.get("access-control-allow-origin") == (origin if let_in else None)
            assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_listed_origin_may_send_what_the_api_takes(service, method):
    client = service.client()
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "idempotency-key,if-match"}
    friend = client.options("/api/deals/1", headers={"Origin": FRIEND, **asked})
    stranger = client.options("/api/deals/1", headers={"Origin": "https://x.test", **asked})
    assert friend.status_code == 204
    assert method in friend.headers["access-control-allow-methods"]
    assert {"Idempotency-Key", "If-Match"} <= set(friend.headers["access-control-allow-headers"].split(", "))
    assert stranger.status_code == 403
    assert "Origin" in stranger.headers["vary"]
