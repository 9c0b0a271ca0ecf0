"""Cookies that answers set without a login, by their effect in a browser: what is deleted needs no guard."""

from datetime import UTC, datetime

import pytest

from harness.testing.probes import in_words, kept_cookies, parse_set_cookie


@pytest.fixture
def answer(client, path):
    """The answer, if it sets a cookie."""
    answer = client.exchange("GET", path)
    if not answer.header_lines("Set-Cookie"):
        pytest.skip("not applicable: the answer sets no cookie")
    return answer


@pytest.fixture
def secrets(answer, target):
    """Cookies that a browser keeps of it, and that no script may read."""
    kept = kept_cookies(answer.header_lines("Set-Cookie"), datetime.now(UTC))
    return [cookie for cookie in kept if cookie.purpose == "session" and cookie.name not in target.cookies.readable]


@pytest.mark.check(
    "headers.cookies",
    severity="high",
    source="RFC 6265bis, 4.1.2.6; OWASP ASVS 5, V3.3",
    subject="GET {path}",
    why="A script that was smuggled into a page can send the cookie, and with it the login, to somebody else.",
    remedy="Add `HttpOnly`; a cookie that scripts must read is named in the profile's [cookies] readable.",
)
def test_cookies_are_kept_from_scripts(answer, secrets):
    open_ones = [cookie.name for cookie in secrets if not cookie.http_only]
    assert not open_ones, f"{in_words(answer)} with Set-Cookie {', '.join(open_ones)} without HttpOnly"


@pytest.mark.check(
    "headers.cookies_same_site",
    severity="normal",
    source="RFC 6265bis, 5.6.7; OWASP ASVS 5, V3.3",
    subject="GET {path}",
    why="Without the word it depends on the browser whether the cookie goes along with requests of other sites.",
    remedy="Add `SameSite=Lax` or `SameSite=Strict`.",
)
def test_cookies_say_whether_other_sites_send_them(answer, secrets):
    silent = [cookie.name for cookie in secrets if cookie.same_site == "default"]
    assert not silent, f"{in_words(answer)} with Set-Cookie {', '.join(silent)} without SameSite=Lax, Strict or None"


@pytest.mark.check(
    "headers.cookies_secure",
    severity="high",
    source="RFC 6265bis, 4.1.2.5; OWASP ASVS 5, V3.3",
    subject="GET {path}",
    why="One request over plain HTTP sends the cookie in clear to whoever is on the way.",
    remedy="Add `Secure`.",
)
def test_cookies_go_over_tls_alone(answer, secrets, target, stack_info):
    if not stack_info.url.startswith("https:") and not target.tls.in_front:
        pytest.skip("not applicable: the answer came over plain http")
    plain = [cookie.name for cookie in secrets if not cookie.secure]
    assert not plain, f"{in_words(answer)} over TLS with Set-Cookie {', '.join(plain)} without Secure"


@pytest.mark.check(
    "headers.cookies_taken",
    severity="normal",
    source="RFC 6265bis, 4.1.3 and 5.6",
    subject="GET {path}",
    why="A browser that refuses the cookie keeps the former one, or none: what depends on it does not work.",
    remedy="Give the cookie what its prefix and its attributes demand.",
)
def test_browsers_take_the_cookies(answer):
    lines = map(parse_set_cookie, answer.header_lines("Set-Cookie"))
    refused = [f"{cookie.name or '(no name)'} ({'; '.join(cookie.problems)})" for cookie in lines if cookie.problems]
    assert not refused, f"{in_words(answer)} with Set-Cookie that browsers refuse: {', '.join(refused)}"
