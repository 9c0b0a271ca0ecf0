"""Errors of the API are problem documents (RFC 9457) that leak nothing, whatever was sent."""

from http import HTTPStatus

import pytest

from harness.testing.probes import ERRORS, find_leaks

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

NOT_THERE = 999_999_999
GUARDED = ("/api/admin/", "/api/me/", "/api/metrics/")
WRITTEN_BY_ANYBODY = {"POST /api/auth/login", "POST /api/auth/register", "POST /api/auth/refresh"}
"""All other writes need a login. A list of our own: a route that lost its guard lost it in its description too."""


def assert_problem(answer, status):
    """A whole problem document: about:blank means the status, whose phrase is then the title (RFC 9457, 4.2.1)."""
    assert (answer.status, answer.header("Content-Type")) == (status, "application/problem+json")
    told = answer.json()
    assert {name: told[name] for name in ("type", "title", "status", "instance", "request_id")} == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "instance": answer.path,
        "request_id": answer.header("X-Request-ID"),
    }
    assert isinstance(told["detail"], str)
    assert told["detail"].strip()
    assert find_leaks(answer.text, ERRORS) == ()


@pytest.mark.check(
    "errors.login", severity="critical", source="CWE-306; RFC 9110, 15.5.2", subject="guarded operations"
)
def test_nothing_that_is_guarded_is_done_without_a_login(client, described):
    guarded = [
        operation
        for operation in described.operations
        if operation.needs_login
        or operation.path.startswith(GUARDED)
        or not (operation.is_safe or operation.name in WRITTEN_BY_ANYBODY)
    ]
    assert len(guarded) >= 20
    for operation in guarded:
        answer = client.exchange(operation.method, operation.path_for(NOT_THERE))
        assert_problem(answer, 401)
        assert (answer.header("WWW-Authenticate") or "").startswith("Bearer")


@pytest.mark.check("errors.allow", source="RFC 9110, 15.5.6; RFC 9457", subject="methods that no path has")
@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE"])
def test_each_path_names_the_methods_that_it_has(client, described, method):
    methods = {}
    for operation in described.operations:
        methods.setdefault(operation.path_for(NOT_THERE), set()).add(operation.method)
    lacking = {path: known for path, known in methods.items() if method not in known}
    assert lacking
    for path, known in lacking.items():
        answer = client.exchange(method, path)
        assert_problem(answer, 405)
        assert known <= set((answer.header("Allow") or "").split(", "))


@pytest.mark.check("errors.body", severity="high", source="RFC 9457; CWE-20", subject="POST /api/auth/login, {kind}")
@pytest.mark.parametrize("kind", BODIES)
def test_a_malformed_body_is_a_problem_of_the_client(client, kind):
    answer = client.exchange(
        "POST", "/api/auth/login", content=BODIES[kind], headers={"Content-Type": "application/json"}
    )
    assert answer.status in (400, 401, 413, 422)
    assert_problem(answer, answer.status)


@pytest.mark.check("errors.too_large", severity="high", source="RFC 9110, 15.5.14", subject="POST /api/auth/login")
def test_a_body_that_is_too_large_is_413(client):
    answer = client.exchange(
        "POST", "/api/auth/login", content=b"x" * 1_000_000, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 413)


@pytest.mark.check("errors.method_allow", source="RFC 9110, 15.5.6", subject="DELETE /api/deals")
def test_a_method_that_is_not_there_is_405(client):
    answer = client.exchange("DELETE", "/api/deals")
    assert_problem(answer, 405)
    assert "GET" in (answer.header("Allow") or "")


@pytest.mark.check("errors.request_id", subject="GET /api/deals/999999999")
def test_an_error_can_be_found_again(client):
    answer = client.exchange("GET", f"/api/deals/{NOT_THERE}")
    assert answer.header("X-Request-ID")
    assert_problem(answer, 404)
