"""A grade by the published method of MDN's HTTP Observatory (algorithm 5), beside the harness's own checks.

https://developer.mozilla.org/docs/Web/HTTP/Observatory/Tests_and_scoring: twelve tests, each with a result that adds
to or takes from 100 points. What is better than expected counts only where nothing worse leaves less than 90.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urljoin, urlsplit

from harness.probes.browser_headers import structured_token
from harness.probes.cookies import SetCookie, parse_set_cookie
from harness.probes.document import kind_of
from harness.probes.exchange import Exchange
from harness.probes.headers import whole_seconds
from harness.probes.observatory_csp import InvalidPolicy, combined_policy, rate_policy
from harness.probes.page_parts import read_parts

_FULL = 100
_EXTRA_FROM = 90
_SIX_MONTHS_S = 15_552_000
_GRADES = ("F", "F", "F", "F", "F", "D-", "D", "D", "D+", "C-", "C", "C", "C+", "B-", "B", "B", "B+", "A-", "A", "A")
"""By fives of the score: 0, 5, 10, and so on up to 95; from 100 on it is A+."""

MODIFIERS: Mapping[str, int] = MappingProxyType(
    {
        "csp-implemented-with-no-unsafe-default-src-none": 10,
        "csp-implemented-with-no-unsafe": 5,
        "csp-implemented-with-unsafe-inline-in-style-src-only": 0,
        "csp-implemented-but-duplicate-directives": 0,
        "csp-implemented-with-insecure-scheme-in-passive-content-only": -10,
        "csp-implemented-with-unsafe-eval": -10,
        "csp-implemented-with-unsafe-inline": -20,
        "csp-implemented-with-insecure-scheme": -20,
        "csp-header-invalid": -25,
        "csp-not-implemented": -25,
        "csp-not-implemented-but-reporting-enabled": -25,
        "cookies-secure-with-httponly-sessions-and-samesite": 5,
        "cookies-secure-with-httponly-sessions": 0,
        "cookies-not-found": 0,
        "cookies-without-secure-flag-but-protected-by-hsts": -5,
        "cookies-session-without-secure-flag-but-protected-by-hsts": -10,
        "cookies-without-secure-flag": -20,
        "cookies-samesite-flag-invalid": -20,
        "cookies-anticsrf-without-samesite-flag": -20,
        "cookies-session-without-httponly-flag": -30,
        "cookies-session-without-secure-flag": -40,
        "cross-origin-resource-sharing-not-implemented": 0,
        "cross-origin-resource-sharing-implemented-with-public-access": 0,
        "cross-origin-resource-sharing-implemented-with-restricted-access": 0,
        "cross-origin-resource-sharing-implemented-with-universal-access": -50,
        "redirection-to-https": 0,
        "redirection-not-needed-no-http": 0,
        "redirection-off-host-from-http": -5,
        "redirection-not-to-https-on-initial-redirection": -10,
        "redirection-not-to-https": -20,
        "redirection-missing": -20,
        "referrer-policy-private": 5,
        "referrer-policy-not-implemented": 0,
        "referrer-policy-unsafe": -5,
        "referrer-policy-header-invalid": -5,
        "hsts-implemented-max-age-at-least-six-months": 0,
        "hsts-implemented-max-age-less-than-six-months": -10,
        "hsts-not-implemented": -20,
        "hsts-header-invalid": -20,
        "hsts-not-implemented-no-https": -20,
        "sri-implemented-and-all-scripts-loaded-securely": 5,
        "sri-implemented-and-external-scripts-loaded-securely": 5,
        "sri-not-implemented-response-not-html": 0,
        "sri-not-implemented-but-no-scripts-loaded": 0,
        "sri-not-implemented-but-all-scripts-loaded-from-secure-origin": 0,
        "sri-not-implemented-but-external-scripts-loaded-securely": -5,
        "sri-implemented-but-external-scripts-not-loaded-securely": -20,
        "sri-not-implemented-and-external-scripts-not-loaded-securely": -50,
        "x-content-type-options-nosniff": 0,
        "x-content-type-options-not-implemented": -5,
        "x-content-type-options-header-invalid": -5,
        "x-frame-options-implemented-via-csp": 5,
        "x-frame-options-sameorigin-or-deny": 5,
        "x-frame-options-allow-from-origin": 0,
        "x-frame-options-not-implemented": -20,
        "x-frame-options-header-invalid": -20,
        "corp-implemented-with-same-origin": 10,
        "corp-implemented-with-same-site": 10,
        "corp-implemented-with-cross-origin": 0,
        "corp-not-implemented": 0,
        "corp-header-invalid": -5,
        "coep-implemented-with-require-corp": 10,
        "coep-implemented-with-credentialless": 10,
        "coep-implemented-with-unsafe-none": 0,
        "coep-not-implemented": 0,
        "coep-header-invalid": -5,
        "coop-implemented-with-same-origin": 10,
        "coop-implemented-with-same-origin-allow-popups": 10,
        "coop-implemented-with-noopener-allow-popups": 10,
        "coop-implemented-with-unsafe-none": 0,
        "coop-not-implemented": 0,
        "coop-header-invalid": -5,
    }
)
"""What each result adds to the score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What the method looks at. `cors` is the answer to a request of another origin."""

    answer: Exchange
    cors: Exchange | None = None
    route: tuple[str, ...] = ()
    """Addresses from plain HTTP to where it ended; empty where there is no plain HTTP."""

    @property
    def is_secure(self) -> bool:
        """Did the answer come over TLS?"""
        return urlsplit(self.answer.url).scheme == "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """Points, their letter, and the result of each test."""

    score: int
    letter: str
    results: tuple[str, ...]


def grade(scan: Scan, *, with_transport: bool = True) -> Grade:
    """Grade a scan. Without transport, what only TLS can have (HSTS and the redirection to it) is left out."""
    results = [
        content_security_policy(scan),
        cookies(scan),
        _cross_origin(scan, "coep", "Cross-Origin-Embedder-Policy", ("require-corp", "credentialless", "unsafe-none")),
        _cross_origin(scan, "coop", "Cross-Origin-Opener-Policy", _OPENER),
        _resource_policy(scan),
        cross_origin_sharing(scan),
        referrer(scan),
        subresource_integrity(scan),
        content_type_options(scan),
        frame_options(scan),
    ]
    if with_transport:
        results += [transport_security(scan), redirection(scan)]
    modifiers = [MODIFIERS[result] for result in results]
    plain = _FULL + sum(modifier for modifier in modifiers if modifier < 0)
    score = max(0, _FULL + sum(modifiers) if plain >= _EXTRA_FROM else plain)
    return Grade(score=score, letter="A+" if score >= _FULL else _GRADES[score // 5], results=tuple(results))


_OPENER = ("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none")


def _cross_origin(scan: Scan, short: str, header: str, known: tuple[str, ...]) -> str:
    lines = scan.answer.header_lines(header)
    if not lines:
        return f"{short}-not-implemented"
    token = structured_token(lines)
    return f"{short}-implemented-with-{token}" if token in known else f"{short}-header-invalid"


def _resource_policy(scan: Scan) -> str:
    value = scan.answer.header("Cross-Origin-Resource-Policy")
    if not value:
        return "corp-not-implemented"
    word = value.strip().lower()
    known = word in ("same-origin", "same-site", "cross-origin")
    return f"corp-implemented-with-{word}" if known else "corp-header-invalid"


def cross_origin_sharing(scan: Scan) -> str:
    """CORS: whether everybody may read with credentials."""
    allowed = scan.cors.header_lines("Access-Control-Allow-Origin") if scan.cors else ()
    if scan.cors is None or not allowed or not allowed[0]:
        return "cross-origin-resource-sharing-not-implemented"
    if allowed[0].strip() == "*":
        return "cross-origin-resource-sharing-implemented-with-public-access"
    credentials = (scan.cors.header("Access-Control-Allow-Credentials") or "").strip().lower() == "true"
    how = "universal" if scan.cors.sent_header("Origin") == allowed[0] and credentials else "restricted"
    return f"cross-origin-resource-sharing-implemented-with-{how}-access"


_PRIVATE = frozenset({"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"})
_UNSAFE = frozenset({"origin", "origin-when-cross-origin", "unsafe-url", "no-referrer-when-downgrade"})


def referrer(scan: Scan) -> str:
    """Referrer-Policy: the last known word, those of `<meta>` after those of the header."""
    values = [*scan.answer.header_lines("Referrer-Policy"), *read_parts(scan.answer.text).referrers]
    if not values:
        return "referrer-policy-not-implemented"
    words = [word.strip().lower() for word in ",".join(values).split(",")]
    known = [word for word in words if word in _PRIVATE | _UNSAFE]
    if not known:
        return "referrer-policy-header-invalid"
    return "referrer-policy-private" if known[-1] in _PRIVATE else "referrer-policy-unsafe"


def transport_security(scan: Scan) -> str:
    """HSTS, and for how long."""
    if not scan.is_secure:
        return "hsts-not-implemented-no-https"
    lines = scan.answer.header_lines("Strict-Transport-Security")
    if not lines:
        return "hsts-not-implemented"
    age = _max_age(lines[0])
    if age is None or "," in lines[0]:
        return "hsts-header-invalid"
    length = "at-least" if age >= _SIX_MONTHS_S else "less-than"
    return f"hsts-implemented-max-age-{length}-six-months"


def _max_age(line: str) -> int | None:
    parts = [part.strip().lower() for part in line.split(";")]
    ages = [part.removeprefix("max-age=") for part in parts if part.startswith("max-age=")]
    found = re.match(r"\d+", ages[-1], re.ASCII) if ages else None
    return whole_seconds(found[0]) if found is not None else None


def redirection(scan: Scan) -> str:
    """Where plain HTTP leads to."""
    if not scan.route:
        return "redirection-not-needed-no-http"
    places = [urlsplit(url) for url in scan.route]
    if len(places) == 1:
        return "redirection-missing"
    if places[-1].scheme != "https":
        return "redirection-not-to-https"
    if places[1].scheme == "http":
        return "redirection-not-to-https-on-initial-redirection"
    return "redirection-to-https" if places[0].hostname == places[1].hostname else "redirection-off-host-from-http"


def content_type_options(scan: Scan) -> str:
    """X-Content-Type-Options, its first line alone."""
    lines = scan.answer.header_lines("X-Content-Type-Options")
    if not lines or not lines[0]:
        return "x-content-type-options-not-implemented"
    return f"x-content-type-options-{'nosniff' if lines[0].strip().lower() == 'nosniff' else 'header-invalid'}"


def frame_options(scan: Scan) -> str:
    """X-Frame-Options, or `frame-ancestors` in its place."""
    if _names_ancestors(scan):
        return "x-frame-options-implemented-via-csp"
    lines = scan.answer.header_lines("X-Frame-Options")
    if not lines or not lines[0]:
        return "x-frame-options-not-implemented"
    word = lines[0].strip().lower()
    if word in ("deny", "sameorigin"):
        return "x-frame-options-sameorigin-or-deny"
    return f"x-frame-options-{'allow-from-origin' if word.startswith('allow-from') else 'header-invalid'}"


def _names_ancestors(scan: Scan) -> bool:
    """In a header: what a `<meta>` says of them counts for nobody."""
    lines = [part for line in scan.answer.header_lines("Content-Security-Policy") for part in line.split(",")]
    try:
        return "frame-ancestors" in combined_policy(lines).directives
    except InvalidPolicy:
        return False


def content_security_policy(scan: Scan) -> str:
    """The policy of the header and of `<meta>` elements, as one."""
    return rate_policy(
        scan.answer.header_lines("Content-Security-Policy"),
        tuple(read_parts(scan.answer.text).policies),
        report_only=bool(scan.answer.header("Content-Security-Policy-Report-Only")),
        is_secure=scan.is_secure,
    )


_COOKIES_WORST_FIRST = (
    "cookies-session-without-secure-flag",
    "cookies-session-without-httponly-flag",
    "cookies-anticsrf-without-samesite-flag",
    "cookies-samesite-flag-invalid",
    "cookies-session-without-secure-flag-but-protected-by-hsts",
    "cookies-without-secure-flag",
    "cookies-without-secure-flag-but-protected-by-hsts",
)


def cookies(scan: Scan) -> str:
    """The worst that any cookie lacks, by the method's own list of names."""
    found = [parse_set_cookie(line) for line in scan.answer.header_lines("Set-Cookie")]
    found = [cookie for cookie in found if cookie.name not in ("", "heroku-session-affinity")]
    if not found:
        return "cookies-not-found"
    with_hsts = transport_security(scan) == "hsts-implemented-max-age-at-least-six-months"
    protected = "-but-protected-by-hsts" if with_hsts else ""
    lacking = {lack for cookie in found for lack in _lacks(cookie, protected)}
    everywhere = all("samesite" in cookie.attributes for cookie in found)
    best = f"cookies-secure-with-httponly-sessions{'-and-samesite' if everywhere else ''}"
    return _worst(_COOKIES_WORST_FIRST, lacking, best)


def _worst(worst_first: Iterable[str], found: Collection[str], best: str) -> str:
    """The first of an order of results that was found; the best one where none was."""
    return next((result for result in worst_first if result in found), best)


def _lacks(cookie: SetCookie, protected: str) -> Iterator[str]:
    name = cookie.name.lower()
    is_session = re.search("login|sess", name) is not None
    unfit = ("default",) if cookie.secure else ("default", "none")
    if "samesite" in cookie.attributes and cookie.same_site in unfit:
        yield "cookies-samesite-flag-invalid"
    if not cookie.secure:
        yield f"cookies-{'session-' if is_session else ''}without-secure-flag{protected}"
    if "csrf" in name and "samesite" not in cookie.attributes:
        yield "cookies-anticsrf-without-samesite-flag"
    if is_session and not cookie.http_only:
        yield "cookies-session-without-httponly-flag"


_SRI_WORST_FIRST = (
    "sri-not-implemented-and-external-scripts-not-loaded-securely",
    "sri-not-implemented-but-external-scripts-loaded-securely",
    "sri-implemented-but-external-scripts-not-loaded-securely",
)


def subresource_integrity(scan: Scan) -> str:
    """Whether scripts of other sites are pinned, and fetched over TLS."""
    if kind_of(scan.answer) not in ("document", "error"):
        return "sri-not-implemented-response-not-html"
    scripts = read_parts(scan.answer.text).scripts
    if not scripts:
        return "sri-not-implemented-but-no-scripts-loaded"
    loaded = [script for script in scripts if script.get("src")]
    foreign = {_foreign_script(script) for script in loaded if _is_foreign(script["src"], scan.answer.url)}
    if foreign:
        return _worst(_SRI_WORST_FIRST, foreign, "sri-implemented-and-external-scripts-loaded-securely")
    if any(_is_pinned(script, scan.answer.url) for script in loaded):
        return "sri-implemented-and-all-scripts-loaded-securely"
    return "sri-not-implemented-but-all-scripts-loaded-from-secure-origin"


def _is_pinned(script: Mapping[str, str], page: str) -> bool:
    """Has it a hash, and is it fetched over TLS?"""
    return bool(script.get("integrity")) and urlsplit(urljoin(page, script["src"])).scheme == "https"


def _is_foreign(src: str, page: str) -> bool:
    """Of another site than the page, or of an address without a scheme."""
    if src.startswith("//"):
        return True
    if not src.lower().startswith(("http://", "https://")):
        return False
    return _site(urlsplit(src).hostname) != _site(urlsplit(page).hostname)


def _site(host: str | None) -> str:
    """The last two labels: an approximation of the registrable domain, which needs the public suffix list."""
    return ".".join((host or "").rsplit(".", 2)[-2:])


def _foreign_script(script: dict[str, str]) -> str:
    pinned, is_secure = bool(script.get("integrity")), script["src"].lower().startswith("https://")
    if pinned and is_secure:
        return ""
    if pinned:
        return "sri-implemented-but-external-scripts-not-loaded-securely"
    return _SRI_WORST_FIRST[1] if is_secure else _SRI_WORST_FIRST[0]
