"""Headers that every answer must carry, whoever reads it. Limits follow the OWASP Secure Headers Project."""

import re

import pytest

from harness.testing.probes import parse_cache_control, parse_csp, parse_hsts, parse_media_type, parse_set_cookie

ONE_YEAR_S = 31_536_000
VERSION = re.compile(r"\d+\.\d+")
REFERRER_POLICIES = {
    "no-referrer",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
}


@pytest.mark.check(
    "headers.nosniff", severity="high", source="WHATWG Fetch, X-Content-Type-Options", subject="GET {path}"
)
def test_content_type_is_not_sniffed(client, path):
    answer = client.exchange("GET", path)
    assert (answer.header("X-Content-Type-Options") or "").strip().lower() == "nosniff"


@pytest.mark.check("headers.frame", severity="high", source="RFC 7034; CSP3 frame-ancestors", subject="GET {path}")
def test_no_stranger_may_frame_it(client, path):
    answer = client.exchange("GET", path)
    old = (answer.header("X-Frame-Options") or "").strip().upper()
    new = parse_csp(answer.header_lines("Content-Security-Policy"))
    framed_by_csp = new.names("frame-ancestors") and not new.wide_sources("frame-ancestors")
    assert old in ("DENY", "SAMEORIGIN") or framed_by_csp, f"X-Frame-Options is {old!r}, no frame-ancestors either"


@pytest.mark.check("headers.referrer", source="W3C Referrer Policy", subject="GET {path}")
def test_referrer_stays_at_home(client, path):
    answer = client.exchange("GET", path)
    policies = [word.strip().lower() for word in (answer.header("Referrer-Policy") or "").split(",")]
    assert policies[-1] in REFERRER_POLICIES


@pytest.mark.check("headers.content_type", source="RFC 9110, 8.3", subject="GET {path}")
def test_body_says_what_it_is(client, path):
    answer = client.exchange("GET", path)
    if not answer.size:
        pytest.skip("the answer has no body")
    kind = parse_media_type(answer.header("Content-Type"))
    assert kind is not None, f"Content-Type is {answer.header('Content-Type')!r}"
    if kind.is_html:
        assert kind.parameters.get("charset", "").lower() == "utf-8"


@pytest.mark.check("headers.no_version", source="OWASP ASVS 5, V13.4", subject="GET {path}")
def test_no_version_is_told(client, path):
    answer = client.exchange("GET", path)
    told = {name: answer.header(name) for name in ("Server", "X-Powered-By", "X-AspNet-Version", "X-Generator")}
    talkative = {name: value for name, value in told.items() if value and VERSION.search(value)}
    assert talkative == {}


@pytest.mark.check("headers.hsts_plain", source="RFC 6797, 7.2", subject="GET {path}")
def test_no_hsts_over_plain_http(client, path, stack_info):
    if stack_info.url.startswith("https:"):
        pytest.skip("not applicable: the target speaks TLS only")
    answer = client.exchange("GET", path)
    assert answer.header("Strict-Transport-Security") is None


@pytest.mark.check("headers.hsts", severity="high", source="RFC 6797", subject="GET {path}")
def test_hsts_on_secure_requests(client, path, target, stack_info):
    secure = stack_info.url.startswith("https:")
    if not secure and target.clients.address != "x-forwarded-for":
        pytest.skip("no secure request can be made: plain http, and the profile names no trusted proxy")
    answer = client.exchange("GET", path, headers={} if secure else {"X-Forwarded-Proto": "https"})
    hsts = parse_hsts(answer.header_lines("Strict-Transport-Security"))
    assert hsts is not None, "no Strict-Transport-Security on a secure request"
    assert hsts.max_age is not None
    assert hsts.max_age >= ONE_YEAR_S
    assert hsts.include_subdomains
    assert hsts.problems == ()


@pytest.mark.check("headers.cookies", severity="high", source="RFC 6265bis; OWASP ASVS 5, V3.3", subject="GET {path}")
def test_cookies_are_guarded(client, path, stack_info):
    cookies = [parse_set_cookie(line) for line in client.exchange("GET", path).header_lines("Set-Cookie")]
    careless = [cookie.name for cookie in cookies if not cookie.http_only or cookie.same_site == "default"]
    assert careless == []
    assert [problem for cookie in cookies for problem in cookie.problems] == []
    if stack_info.url.startswith("https:"):
        assert [cookie.name for cookie in cookies if not cookie.secure] == []


@pytest.mark.check("headers.permissions", source="W3C Permissions Policy", subject="GET {page_path}")
def test_page_gives_up_what_it_does_not_need(client, page_path):
    policy = client.exchange("GET", page_path).header("Permissions-Policy") or ""
    open_features = [name for name in ("camera", "microphone", "geolocation") if f"{name}=()" not in policy]
    assert open_features == []


@pytest.mark.check("headers.opener", source="HTML, Cross-Origin-Opener-Policy", subject="GET {page_path}")
def test_page_is_isolated_from_its_opener(client, page_path):
    value = client.exchange("GET", page_path).header("Cross-Origin-Opener-Policy") or ""
    assert value.split(";")[0].strip() in ("same-origin", "same-origin-allow-popups")


@pytest.mark.check("headers.authenticated_not_stored", severity="high", source="RFC 9111, 5.2.2.5; OWASP ASVS 5, V14.3")
def test_answers_to_an_account_are_not_stored(new_client, role, target):
    path = target.cache.paths[0] if target.cache.paths else target.health.live
    control = parse_cache_control(new_client(role=role).exchange("GET", path or "/").header_lines("Cache-Control"))
    assert "no-store" in control or "private" in control
    assert "public" not in control
