"""Headers as browsers read them: lists of values, each with what its standard makes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harness.probes.browser_headers import framing, opener_policy, permissions_policy, referrer_policy
from harness.probes.cookies import kept_cookies
from harness.probes.csp import parse_csp
from harness.probes.csp_flaws import find_holes, find_mistakes
from harness.probes.headers import parse_hsts

NOW = datetime(2026, 1, 31, tzinfo=UTC)
REST = "object-src 'none'; base-uri 'none'; form-action 'self'; "
NONCE = f"'nonce-{'a' * 22}=='"
HASH = f"'sha256-{'A' * 43}='"


@pytest.mark.parametrize(
    ("lines", "holes"),
    [
        (["default-src 'none'; base-uri 'none'; form-action 'none'"], []),
        (["default-src 'none'; base-uri 'none'"], ["anybody:form-action"]),
        ([f"{REST}default-src 'self'; style-src 'self' 'unsafe-inline'"], ["inline:style-src"]),
        ([f"{REST}default-src 'self'; style-src-attr 'unsafe-inline'; style-src-elem 'self'"], ["inline:style-src"]),
        ([f"{REST}default-src 'self'; worker-src *"], ["anybody:worker-src"]),
        ([f"{REST}default-src 'self'; child-src *"], ["anybody:worker-src"]),
        ([f"{REST}default-src 'self'; img-src *; font-src *; media-src *; connect-src *"], []),
        ([f"{REST}script-src 'self' https: 'unsafe-inline' 'strict-dynamic' {NONCE}; style-src 'self'"], []),
        ([f"{REST}script-src 'strict-dynamic' https: 'unsafe-inline'; style-src 'self'"], []),
        ([f"{REST}script-src {NONCE} 'unsafe-eval'; style-src 'self'"], ["eval:script-src"]),
        ([f"default-src 'self'; script-src {NONCE}; object-src 'none'; form-action 'self'"], ["moved base:base-uri"]),
        ([f"{REST}default-src 'self' http://cdn.example"], ["plain http:script-src"]),
        ([f"{REST}default-src 'self' https://ajax.googleapis.com"], ["known host:script-src"]),
        (["default-src 'self'; base-uri 'none'; form-action https:; object-src 'none'"], ["anybody:form-action"]),
        (["default-src 'self'; base-uri 'none'; form-action 'self'; object-src data:"], ["anybody:object-src"]),
        ([f"{REST}script-src 'nonce-abc'; style-src 'self'"], ["short nonce:script-src"]),
        ([f"{REST}script-src 'unsafe-hashes' 'unsafe-inline'; style-src 'self'"], ["inline:script-src"]),
        ([f"{REST}default-src 'self' 'unsafe-inline' {HASH}"], []),
        ([f"{REST}script-src https:; style-src 'self'", "script-src 'self' https://cdn.example"], []),
        ([f"{REST}script-src 'self' https://*; style-src 'self'"], ["anybody:script-src"]),
        ([f"{REST}script-src 'self' *.example.com:*; style-src 'self'"], []),
    ],
)
def test_what_a_policy_lets_through(lines: list[str], holes: list[str]) -> None:
    assert sorted({f"{hole.kind}:{hole.family}" for hole in find_holes(parse_csp(lines))}) == holes


@pytest.mark.parametrize(
    ("directive", "mistakes"),
    [
        ("frame-ancestor 'none'", ["unknown directive"]),
        ("script-src-element 'self'", ["unknown directive"]),
        ("img-src 'self' data: script-src 'self'", ["no semicolon"]),
        (f"script-src {HASH[1:-1]}", ["no keyword"]),
        ("require-trusted-types-for script", ["no keyword"]),
        ("img-src 'self' https://exämple.example", ["ignored"]),
        ("connect-src 'self' wss:", []),
        ("script-src 'self' localhost:*", []),
        ("report-uri https://a.example/r; report-to default", []),
    ],
)
def test_what_of_a_policy_browsers_misread(directive: str, mistakes: list[str]) -> None:
    assert [one.kind for one in find_mistakes(parse_csp([f"default-src 'self'; {directive}"]))] == mistakes


@pytest.mark.parametrize(
    ("options", "policies", "framed_by"),
    [
        (["deny, deny"], [], "nobody"),
        (["SAMEORIGIN, SAMEORIGIN"], [], "some"),
        (["ALLOWALL, DENY"], [], "nobody"),
        (["deny", " "], [], "nobody"),
        (["bogus"], ["frame-ancestors 'none'"], "nobody"),
        ([], ["frame-ancestors *", "frame-ancestors 'none'"], "nobody"),
        ([], ["frame-ancestors http: https:"], "anybody"),
        ([], ["frame-ancestors https://a.example https://*"], "anybody"),
        (["DENY"], ["frame-ancestors 'self'"], "some"),
        (["DENY"], ["script-src 'self'"], "nobody"),
    ],
)
def test_who_may_frame_a_page(options: list[str], policies: list[str], framed_by: str) -> None:
    assert framing(options, parse_csp(policies)) == framed_by


@pytest.mark.parametrize(
    ("lines", "metas", "policy"),
    [
        (["origin, foo, bar"], [], "origin"),
        (["strict-origin", "no-referrer"], [], "no-referrer"),
        (["no-referrer"], ["bogus"], "no-referrer"),
        (["no-referrer"], ["always"], "unsafe-url"),
        ([], ["never"], "no-referrer"),
        (["no-referrer;"], [], ""),
    ],
)
def test_the_referrer_policy_in_force(lines: list[str], metas: list[str], policy: str) -> None:
    assert referrer_policy(lines, metas) == policy


@pytest.mark.parametrize(
    ("lines", "left_open"),
    [
        (["camera=(), microphone=(), geolocation=();report-to=x"], []),
        (["camera=(), microphone=()", "geolocation=()"], []),
        (['camera=(self), microphone=(self "https://a.example"), geolocation=(src)'], []),
        (["camera=(* self), microphone=(), geolocation=()"], ["camera"]),
        (["interest-cohort=()"], ["camera", "microphone", "geolocation"]),
        (["camera=(), microphone=(), geolocation=(),"], None),
        (["camera=(); microphone=()"], None),
        (["camera 'none'"], None),
    ],
)
def test_features_that_a_page_gives_up(lines: list[str], left_open: list[str] | None) -> None:
    policy = permissions_policy(lines)
    names = ("camera", "microphone", "geolocation")
    assert (None if policy.features is None else [one for one in names if not policy.is_limited(one)]) == left_open


@pytest.mark.parametrize(
    ("line", "policy"),
    [
        ("noopener-allow-popups", "noopener-allow-popups"),
        ('same-origin; report-to="a"; x', "same-origin"),
        (" same-origin ", "same-origin"),
        ("same-origin, same-origin", "unsafe-none"),
    ],
)
def test_the_opener_policy_in_force(line: str, policy: str) -> None:
    assert opener_policy([line]) == policy


@pytest.mark.parametrize(
    ("line", "max_age", "is_wrong"),
    [
        ("max-age=31536000; includeSubDomains; preload;", 31536000, False),
        ("max-age = 31536000", 31536000, False),
        ("max-age=31536000; foo=bar; baz", 31536000, False),
        ("max-age=3153600000000000", 2**31, False),
        ("max-age=0", 0, False),
        ("max-age=31536000, includeSubDomains", None, True),
        ("max-age=31536000; max-age=0", None, True),
        ("max-age=31536000 includeSubDomains", None, True),
        ("max-age='31536000'", None, True),
        ("max-age=1e9", None, True),
        ("includeSubDomains", None, True),
    ],
)
def test_how_long_tls_is_demanded(line: str, max_age: int | None, *, is_wrong: bool) -> None:
    found = parse_hsts([line])
    assert found is not None
    assert (found.max_age, bool(found.problems)) == (max_age, is_wrong)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["sid=1; Path=/", "sid=; Path=/; Max-Age=0"], []),
        (["sid=1; Path=/", "sid=; Max-Age=0"], ["sid"]),
        (["__Host-sid=1; Secure; Path=/app"], []),
        (["__Host-sid=1; Secure; Path=/; Domain="], ["__Host-sid"]),
        (["__secure-sid=1"], []),
        (["sid=1; SameSite=None"], []),
        (["sid=1; SameSite=None; Secure; Partitioned"], ["sid"]),
        (["sid=1; Partitioned"], []),
        (["sid=1; Max-Age=abc; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], []),
        (["sid=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], ["sid"]),
        (["sid=1; Max-Age=-5"], []),
        (["sid=1; Max-Age=0; Max-Age=100"], ["sid"]),
        (["sid=1; Expires=0"], ["sid"]),
        (["sid=1; Expires=Thu, 1 Jan 1970 0:0:0"], []),
        (["=value"], [""]),
        ([";"], []),
    ],
)
def test_cookies_that_a_browser_has_after_an_answer(lines: list[str], names: list[str]) -> None:
    assert [cookie.name for cookie in kept_cookies(lines, NOW)] == names
