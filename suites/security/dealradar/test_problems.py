"""Errors of the API are problem documents (RFC 9457) that leak nothing, whatever was sent."""

import pytest

from suites.security.test_errors import LEAKS

pytestmark = [pytest.mark.writes, pytest.mark.attacks]

BODIES = {
    "broken JSON": b'{"email": ',
    "not an object": b"[]",
    "a number": b"7",
    "NUL": b'{"email": "a\\u0000b@x", "password": "x"}',
    "invalid UTF-8": b'{"email": "\xff\xfe", "password": "x"}',
    "lone surrogate": b'{"email": "\\ud800", "password": "x"}',
    "deep": b"[" * 5000 + b"]" * 5000,
    "huge number": b'{"email": 1' + b"0" * 5000 + b', "password": "x"}',
}


@pytest.mark.check("errors.body", severity="high", source="RFC 9457; CWE-20", subject="POST /api/auth/login, {kind}")
@pytest.mark.parametrize("kind", BODIES)
def test_a_malformed_body_is_a_problem_of_the_client(client, kind):
    answer = client.exchange(
        "POST", "/api/auth/login", content=BODIES[kind], headers={"Content-Type": "application/json"}
    )
    assert answer.status in (400, 401, 413, 422)
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json()["status"] == answer.status
    assert LEAKS.search(answer.text) is None


@pytest.mark.check("errors.too_large", severity="high", source="RFC 9110, 15.5.14", subject="POST /api/auth/login")
def test_a_body_that_is_too_large_is_413(client):
    answer = client.exchange(
        "POST", "/api/auth/login", content=b"x" * 1_000_000, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 413


@pytest.mark.check("errors.method_allow", source="RFC 9110, 15.5.6", subject="DELETE /api/deals")
def test_a_method_that_is_not_there_is_405(client):
    answer = client.exchange("DELETE", "/api/deals")
    assert answer.status == 405
    assert "GET" in (answer.header("Allow") or "")


@pytest.mark.check("errors.request_id", subject="GET /api/deals/999999999")
def test_an_error_can_be_found_again(client):
    answer = client.exchange("GET", "/api/deals/999999999")
    assert answer.header("X-Request-ID")
    assert answer.json()["request_id"] == answer.header("X-Request-ID")
