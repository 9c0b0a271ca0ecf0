"""The test values of MDN's HTTP Observatory, on the grade by its method.

The values are those of mdn/mdn-http-observatory at 94042bb (test/*.test.js). Its preload list is not ours to ship,
so results that need it are left out (docs/headers.md).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes import observatory
from harness.probes.exchange import Exchange
from harness.probes.observatory import MODIFIERS, Scan, grade
from harness.probes.observatory_csp import InvalidPolicy, combined_policy

CSP = "Content-Security-Policy"
MOZILLA = "https://mozilla.org/"


def answer(*headers: tuple[str, str], body: str = "", origin: str = "", url: str = MOZILLA) -> Exchange:
    return Exchange(
        method="GET",
        url=url,
        request_headers=(("Origin", origin),) if origin else (),
        status=200,
        headers=(("Content-Type", "text/html"), *headers),
        body=body.encode("utf-8", "replace"),
        size=len(body.encode("utf-8", "replace")) or 1,
        elapsed_s=0.0,
    )


def scan(*headers: tuple[str, str], body: str = "", url: str = MOZILLA) -> Scan:
    return Scan(answer=answer(*headers, body=body, url=url))


POLICIES = {
    "csp-header-invalid": [
        "  ",
        "",
        "default-src 'none'; default-src 'none'",
        "default-src 'none'; img-src 'self'; default-src 'none'",
        "default-src 'none'; script-src 'strict-dynamic'",
        "defa",
    ],
    "csp-implemented-with-unsafe-inline": [
        "default-src 'none'; script-src https://*",
        "default-src 'none'; script-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
        "script-src data:",
        "script-src http:",
        "script-src ftp:",
        "default-src 'unsafe-inline'",
        "default-src 'UNSAFE-INLINE'",
        "upgrade-insecure-requests",
        "script-src 'none'",
        "script-src https:",
        "script-src https://mozilla.org https:",
        "default-src https://mozilla.org https:",
        "default-src 'none'; script-src *",
        "default-src *; script-src *; object-src 'none'",
        "default-src 'none'; script-src 'none'; object-src *",
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'",
        "default-src 'none'; script-src 'unsafe-inline' http:",
        "object-src https:; script-src 'none'",
        "frame-anchestors 'none'",
    ],
    "csp-implemented-with-insecure-scheme": [
        "default-src http://mozilla.org",
        "default-src 'none'; script-src http://mozilla.org",
        "default-src 'none'; script-src ftp://mozilla.org",
    ],
    "csp-implemented-with-insecure-scheme-in-passive-content-only": [
        "default-src 'none'; img-src http://mozilla.org",
        "default-src 'self'; img-src ftp:",
        "default-src 'self'; img-src http:",
        "default-src 'none'; img-src https:; media-src http://mozilla.org",
        "default-src 'none'; img-src http: https:; script-src 'self'; style-src 'self'",
        "default-src 'none'; img-src 'none'; media-src http:; script-src 'self'; style-src 'self'",
        "default-src 'none'; img-src 'none'; media-src http:; script-src 'self'; style-src 'unsafe-inline'",
    ],
    "csp-implemented-with-unsafe-eval": ["default-src 'none'; script-src 'unsafe-eval'"],
    "csp-implemented-with-unsafe-inline-in-style-src-only": [
        "object-src 'none'; script-src 'none'; style-src 'unsafe-inline'",
        "default-src 'none'; script-src https://mozilla.org; style-src 'unsafe-inline'",
        "default-src 'unsafe-inline'; script-src https://mozilla.org",
        "default-src 'none';;; ;;;style-src 'self' 'unsafe-inline'",
        "default-src 'none'; style-src data:",
        "default-src 'none'; style-src *",
        "default-src 'none'; style-src https:",
        (
            "default-src 'none'; style-src 'unsafe-inline'; "
            "script-src 'sha256-hqBEA/HXB3aJU2FgOnYN8rkAgEVgyfi3Vs1j2/XMPBB=' "
            "'unsafe-inline'"
        ),
    ],
    "csp-implemented-with-no-unsafe": [
        "default-src https://mozilla.org",
        "default-src https://mozilla.org;;; ;;;script-src 'none'",
        "object-src 'none'; script-src https://mozilla.org; style-src https://mozilla.org; upgrade-insecure-requests;",
        "object-src 'none'; script-src 'strict-dynamic' 'nonce-abc' 'unsafe-inline'; style-src 'none'",
        "object-src 'none'; style-src 'self';script-src 'sha256-hqBEA/HXB3aJU2FgOnYN8rkAgEVgyfi3Vs1j2/XMPBA='",
        (
            "object-src 'none'; style-src 'self'; script-src 'unsafe-inline' "
            "'sha256-hqBEA/HXB3aJU2FgOnYN8rkAgEVgyfi3Vs1j2/XMPBA=''sha256-hqBEA/HXB3aJU2FgOnYN8rkAgEVgyfi3Vs1j2/XMPBB='"
        ),
        "object-src 'none'; script-src 'unsafe-inline' 'nonce-abc123' 'unsafe-inline'; style-src 'none'",
        "default-src https://mozilla.org; style-src 'unsafe-inline' 'nonce-abc123' 'unsafe-inline'",
        (
            "default-src https://mozilla.org; style-src 'unsafe-inline' "
            "'sha256-hqBEA/HXB3aJU2FgOnYN8rkAgEVgyfi3Vs1j2/XMPBB=' 'unsafe-inline'"
        ),
    ],
    "csp-implemented-with-no-unsafe-default-src-none": [
        "default-src",
        "default-src 'none'; script-src 'strict-dynamic' 'nonce-abc123' 'unsafe-inline'",
        "default-src 'none'; script-src https://mozilla.org; style-src https://mozilla.org; upgrade-insecure-requests;",
        "default-src 'none'; object-src https://mozilla.org",
        "default-src 'none'; script-src 'strict-dynamic' 'nonce-abc123'",
        "default-src 'none'; script-src 'strict-dynamic' 'sha256-abc123'",
        "default-src 'none'; script-src 'strict-dynamic' 'sha256-abc123' https://*",
        "default-src 'none'; script-src 'strict-dynamic' 'sha256-abc123' 'unsafe-inline'",
        "default-src 'none'; script-src 'self', default-src 'none'; script-src 'self'",
        (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline', "
            "default-src 'none'; style-src 'self', "
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'"
        ),
    ],
}


@pytest.mark.parametrize(("result", "policy"), [(result, one) for result, all_ in POLICIES.items() for one in all_])
def test_policies(result: str, policy: str) -> None:
    assert observatory.content_security_policy(scan((CSP, policy))) == result


def meta(*policies: str) -> str:
    lines = "".join(f'<meta http-equiv="Content-SECURITY-Policy" content="{policy}">' for policy in policies)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="UTF-8">{lines}<title>T</title></head><body></body></html>'
    )


MULTIPLE = (
    "default-src 'none'; object-src 'none'; media-src 'none';",
    "connect-src 'self'; font-src 'self'; child-src 'self'",
    "img-src 'self'; style-src 'self' 'nonce-gAeQO8jI4VJCsrsXkcUVRCzQjiihKteQ",
    "script-src 'self' 'unsafe-inline' 'nonce-gAeQO8jI4VJCsrsXkcUVRCzQjiihKteQ'",
)


@pytest.mark.parametrize(
    ("header", "metas", "result"),
    [
        (None, (), "csp-not-implemented"),
        ("default-src http:", ("default-src https:",), "csp-implemented-with-no-unsafe-default-src-none"),
        (None, ("default-src 'none';",), "csp-implemented-with-no-unsafe-default-src-none"),
        (None, MULTIPLE, "csp-implemented-with-no-unsafe-default-src-none"),
        ("default-src 'none'", ("default-src 'none';",), "csp-implemented-with-no-unsafe-default-src-none"),
        ("default-src 'none'", ("default-src https:",), "csp-implemented-with-no-unsafe-default-src-none"),
        ("img-src 'none'", ("default-src 'none';",), "csp-implemented-with-no-unsafe-default-src-none"),
        (None, ("frame-ancestors 'none'",), "csp-not-implemented"),
    ],
)
def test_policies_of_metas(header: str | None, metas: tuple[str, ...], result: str) -> None:
    headers = ((CSP, header),) if header is not None else ()
    assert observatory.content_security_policy(scan(*headers, body=meta(*metas))) == result


def test_a_policy_that_only_reports() -> None:
    only = scan((f"{CSP}-Report-Only", "default-src 'none'; report-to /_/csp-reports"))
    assert observatory.content_security_policy(only) == "csp-not-implemented-but-reporting-enabled"


@pytest.mark.parametrize(
    ("policies", "sources"),
    [
        (["default-src https://mozilla.org", "default-src https://mozilla.com"], {"'none'"}),
        (["default-src https://mozilla.org/fire", "default-src https://mozilla.org/firefox/"], {"'none'"}),
        (
            ["default-src https://mozilla.org/firefox/", "default-src https://mozilla.org/firefox/download/"],
            {"https://mozilla.org/firefox/download/"},
        ),
        (
            ["default-src https://mozilla.org/firefox/download/", "default-src https://mozilla.org/firefox/"],
            {"https://mozilla.org/firefox/download/"},
        ),
        (["default-src http: http:", "default-src https: https:"], {"'none'"}),
        (
            [
                "default-src https://mozilla.org https://mozilla.net https://mozilla.com https://mozilla.io",
                "default-src https://mozilla.pizza https://mozilla.ninja https://mozilla.net https://mozilla.org",
            ],
            {"https://mozilla.net", "https://mozilla.org"},
        ),
    ],
)
def test_one_policy_out_of_several(policies: list[str], sources: set[str]) -> None:
    assert combined_policy(policies).directives["default-src"] == sources


@pytest.mark.parametrize("policy", ["  ", "\r\n", "", "defa", "default-src 'none'; default-src 'none'"])
def test_what_the_method_calls_invalid(policy: str) -> None:
    with pytest.raises(InvalidPolicy):
        combined_policy([policy])


def test_repeated_reporting_is_only_noted() -> None:
    assert combined_policy(["report-uri https://a.example ; report-uri https://b.example"]).repeats_reporting


HTTP_ONLY, SECURE = "; Domain=mozilla.org; Path=/; HttpOnly", "; Domain=mozilla.org; Path=/; Secure; HttpOnly"


@pytest.mark.parametrize(
    ("cookies", "hsts", "result"),
    [
        ([], False, "cookies-not-found"),
        ([f"heroku-session-affinity=x{HTTP_ONLY}"], False, "cookies-not-found"),
        ([f"SESSIONID=bar{SECURE}"], False, "cookies-secure-with-httponly-sessions"),
        (
            [f"A_SESSIONID=bar{SECURE}; SameSite=Strict", f"SESSIONID=bar{SECURE}; SameSite=None"],
            False,
            "cookies-secure-with-httponly-sessions-and-samesite",
        ),
        (
            [f"A_SESSIONID=bar{SECURE}; SameSite=Strict", f"SESSIONID=bar{SECURE}"],
            False,
            "cookies-secure-with-httponly-sessions",
        ),
        ([f"CSRFTOKEN=bar{SECURE}"], False, "cookies-anticsrf-without-samesite-flag"),
        ([f"SESSIONID=bar{SECURE}; SameSite="], False, "cookies-samesite-flag-invalid"),
        ([f"SESSIONID=bar{SECURE}; SameSite=True"], False, "cookies-samesite-flag-invalid"),
        ([f"SESSIONID=bar{SECURE}; SameSite=Invalid"], False, "cookies-samesite-flag-invalid"),
        (["foo=bar; Domain=mozilla.org; Path=/"], True, "cookies-without-secure-flag-but-protected-by-hsts"),
        ([f"SESSIONID=bar{HTTP_ONLY}"], True, "cookies-session-without-secure-flag-but-protected-by-hsts"),
        (["foo=bar; Domain=mozilla.org; Path=/"], False, "cookies-without-secure-flag"),
        (["SESSIONID=bar; Domain=mozilla.org; Path=/; Secure"], False, "cookies-session-without-httponly-flag"),
        ([f"SESSIONID=bar{HTTP_ONLY}"], False, "cookies-session-without-secure-flag"),
        (["SESSIONID=bar; Domain=mozilla.org; Path=/"], False, "cookies-session-without-secure-flag"),
    ],
)
def test_cookies(cookies: list[str], result: str, *, hsts: bool) -> None:
    more = (("Strict-Transport-Security", "max-age=15768000"),) if hsts else ()
    assert observatory.cookies(scan(*(("Set-Cookie", line) for line in cookies), *more)) == result


ASKED = "https://http-observatory.security.mozilla.org"
CORS = "cross-origin-resource-sharing"


@pytest.mark.parametrize(
    ("headers", "result"),
    [
        ({}, f"{CORS}-not-implemented"),
        ({"": "*"}, f"{CORS}-implemented-with-public-access"),
        ({"": "https://mozilla.org"}, f"{CORS}-implemented-with-restricted-access"),
        ({"": ASKED, "credentials": "true"}, f"{CORS}-implemented-with-universal-access"),
    ],
)
def test_cross_origin_sharing(headers: dict[str, str], result: str) -> None:
    lines = [(f"Access-Control-Allow-{name or 'Origin'}", value) for name, value in headers.items()]
    both = Scan(answer=answer(), cors=answer(*lines, origin=ASKED))
    assert observatory.cross_origin_sharing(both) == result


HEADERS = [
    ("Cross-Origin-Opener-Policy", "coop", value, "header-invalid")
    for value in ("whimsy", '"same-origin"', "Same-Origin", "SAME-ORIGIN", "same-origin; report-to=coop endpoint")
] + [
    ("Cross-Origin-Opener-Policy", "coop", "same-origin", "implemented-with-same-origin"),
    ("Cross-Origin-Opener-Policy", "coop", "same-origin; report-to", "implemented-with-same-origin"),
    ("Cross-Origin-Opener-Policy", "coop", 'same-origin; report-to="a"', "implemented-with-same-origin"),
    ("Cross-Origin-Opener-Policy", "coop", "noopener-allow-popups", "implemented-with-noopener-allow-popups"),
    ("Cross-Origin-Opener-Policy", "coop", "unsafe-none", "implemented-with-unsafe-none"),
    ("Cross-Origin-Embedder-Policy", "coep", "whimsy", "header-invalid"),
    ("Cross-Origin-Embedder-Policy", "coep", '"require-corp"', "header-invalid"),
    ("Cross-Origin-Embedder-Policy", "coep", "require-corp", "implemented-with-require-corp"),
    ("Cross-Origin-Embedder-Policy", "coep", 'credentialless; report-to="a"', "implemented-with-credentialless"),
    ("Cross-Origin-Resource-Policy", "corp", "whimsy", "header-invalid"),
    ("Cross-Origin-Resource-Policy", "corp", "same-site", "implemented-with-same-site"),
    ("Cross-Origin-Resource-Policy", "corp", "same-origin", "implemented-with-same-origin"),
    ("Cross-Origin-Resource-Policy", "corp", "cross-origin", "implemented-with-cross-origin"),
    ("Referrer-Policy", "referrer-policy", "no-referrer", "private"),
    ("Referrer-Policy", "referrer-policy", "STRICT-ORIGIN", "private"),
    ("Referrer-Policy", "referrer-policy", "no-referrer, whimsy", "private"),
    ("Referrer-Policy", "referrer-policy", "whimsy, whimsy1, whimsy2", "header-invalid"),
    ("Referrer-Policy", "referrer-policy", "origin", "unsafe"),
    ("Referrer-Policy", "referrer-policy", "origin-when-cross-origin, no-referrer, unsafe-url", "unsafe"),
    ("Strict-Transport-Security", "hsts", "includeSubDomains; preload", "header-invalid"),
    (
        "Strict-Transport-Security", "hsts",
        "max-age=15768000; includeSubDomains, max-age=15768000; includeSubDomains", "header-invalid",
    ),
    ("Strict-Transport-Security", "hsts", "max-age=86400", "implemented-max-age-less-than-six-months"),
    (
        "Strict-Transport-Security", "hsts", "max-age=15768000; includeSubDomains; preload",
        "implemented-max-age-at-least-six-months",
    ),
    ("X-Content-Type-Options", "x-content-type-options", "whimsy", "header-invalid"),
    ("X-Content-Type-Options", "x-content-type-options", "nosniff, nosniff", "header-invalid"),
    ("X-Content-Type-Options", "x-content-type-options", "nosniff ", "nosniff"),
    ("X-Frame-Options", "x-frame-options", "whimsy", "header-invalid"),
    ("X-Frame-Options", "x-frame-options", "SAMEORIGIN, SAMEORIGIN", "header-invalid"),
    ("X-Frame-Options", "x-frame-options", "ALLOW-FROM https://mozilla.org", "allow-from-origin"),
    ("X-Frame-Options", "x-frame-options", "DENY", "sameorigin-or-deny"),
    ("X-Frame-Options", "x-frame-options", "SAMEORIGIN", "sameorigin-or-deny"),
    (CSP, "x-frame-options", "frame-ancestors https://mozilla.org", "implemented-via-csp"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "test", "value", "result"), HEADERS)
def test_headers(header: str, test: str, value: str, result: str) -> None:
    assert f"{test}-{result}" in grade(scan((header, value))).results
    assert f"{test}-not-implemented" in grade(scan()).results


def test_repeated_headers() -> None:
    for header, short in (("Opener", "coop"), ("Embedder", "coep"), ("Resource", "corp")):
        name = f"Cross-Origin-{header}-Policy"
        twice = grade(scan((name, "same-origin"), (name, "unsafe-none")))
        assert f"{short}-header-invalid" in twice.results


@pytest.mark.parametrize(
    ("route", "result"),
    [
        ((), "redirection-not-needed-no-http"),
        (("http://mozilla.org",), "redirection-missing"),
        (("http://mozilla.org", "http://www.mozilla.org"), "redirection-not-to-https"),
        (
            ("http://mozilla.org", "http://www.mozilla.org", "http://www.mozilla.org/en/"),
            "redirection-not-to-https",
        ),
        (("http://mozilla.org/", MOZILLA, "https://www.mozilla.org/"), "redirection-to-https"),
        (("http://mozilla.org/", "https://mozilla.org:8443/"), "redirection-to-https"),
        (
            ("http://mozilla.org/", "http://www.mozilla.org/", "https://www.mozilla.org/"),
            "redirection-not-to-https-on-initial-redirection",
        ),
        (("http://mozilla.org/", "https://www.mozilla.org/"), "redirection-off-host-from-http"),
    ],
)
def test_redirections(route: tuple[str, ...], result: str) -> None:
    assert observatory.redirection(Scan(answer=answer(), route=route)) == result


LOCAL, PINNED = '<script src="/static/js/foo.js"></script>', 'integrity="sha384-zTm" crossorigin="anonymous"'


@pytest.mark.parametrize(
    ("scripts", "result"),
    [
        ("", "not-implemented-but-no-scripts-loaded"),
        (LOCAL, "not-implemented-but-all-scripts-loaded-from-secure-origin"),
        (
            f'{LOCAL}<script src="//www.mozilla.org/foo.js"></script>',
            "not-implemented-and-external-scripts-not-loaded-securely",
        ),
        (
            f'{LOCAL}<script src="https://www.mozilla.org/foo.js"></script>',
            "not-implemented-but-all-scripts-loaded-from-secure-origin",
        ),
        (
            f'{LOCAL}<script src="https://fb.me/react.js" {PINNED}></script>',
            "implemented-and-external-scripts-loaded-securely",
        ),
        (f'<script src="/foo.js" {PINNED}></script>', "implemented-and-all-scripts-loaded-securely"),
        (
            f'{LOCAL}<script src="https://fb.me/react.js"></script>',
            "not-implemented-but-external-scripts-loaded-securely",
        ),
        (
            f'<script src="http://fb.me/r.js" {PINNED}></script><script src="https://fb.me/s.js" {PINNED}></script>',
            "implemented-but-external-scripts-not-loaded-securely",
        ),
        (
            f'{LOCAL}<script src="//fb.me/react.js" {PINNED}></script>',
            "implemented-but-external-scripts-not-loaded-securely",
        ),
        (
            f'{LOCAL}<script src="http://fb.me/react.js"></script>',
            "not-implemented-and-external-scripts-not-loaded-securely",
        ),
    ],
)
def test_scripts_of_other_sites(scripts: str, result: str) -> None:
    page = f"<html><head>{scripts}</head><body></body></html>"
    assert observatory.subresource_integrity(scan(body=page)) == f"sri-{result}"


GOOD = (
    (CSP, "default-src 'none'; frame-ancestors 'none'; form-action 'self'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Strict-Transport-Security", "max-age=31536000"),
)


def test_the_grade() -> None:
    best = grade(scan(*GOOD))
    assert (best.score, best.letter) == (130, "A+")
    # what is better than expected counts only where little is worse
    lacking = grade(scan(*GOOD[:3]))
    assert (lacking.score, lacking.letter) == (80, "B+")
    bare = grade(scan(url="http://127.0.0.1/"))
    assert (bare.score, bare.letter) == (30, "D")
    assert grade(scan(url="http://127.0.0.1/"), with_transport=False).score == 50


def test_every_result_has_a_modifier_and_every_score_a_letter() -> None:
    assert set(MODIFIERS.values()) <= set(range(-50, 15, 5))
    assert {grade(scan(*GOOD[:count])).letter for count in range(len(GOOD) + 1)} <= {
        "A+",
        "A",
        "A-",
        "B+",
        "B",
        "B-",
        "C+",
        "C",
        "C-",
        "D+",
        "D",
        "D-",
        "F",
    }


@given(st.lists(st.text(max_size=60), min_size=9, max_size=9), st.text(max_size=120))
def test_no_text_whatsoever_breaks_the_grade(values: list[str], body: str) -> None:
    names = [CSP, "Set-Cookie", "Referrer-Policy", "Strict-Transport-Security", "X-Frame-Options"]
    names += ["X-Content-Type-Options", *(f"Cross-Origin-{one}-Policy" for one in ("Opener", "Embedder", "Resource"))]
    found = grade(scan(*zip(names, values, strict=True), body=meta(body) + body))
    assert found.score >= 0
    assert found.letter
