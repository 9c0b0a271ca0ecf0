"""Headers by which an answer guards whoever reads it, each demanded of the answers that its source demands it of."""

import re

import pytest

from harness.testing import is_loopback
from harness.testing.probes import (
    charset_of,
    framing,
    in_words,
    is_page,
    keeps_type,
    opener_policy,
    parse_cache_control,
    parse_hsts,
    parse_media_type,
    permissions_policy,
    policy_of,
    read_parts,
    referrer_policy,
    spares_private_answers,
    why_not_due,
)

SIX_MONTHS_S = 15_552_000
VERSION = re.compile(r"\d+\.\d+")
TALKATIVE = ("Server", "X-Powered-By", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Generator")
KEPT_AT_HOME = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
OPENER_KEPT_OUT = {"same-origin", "same-origin-allow-popups", "noopener-allow-popups"}


def ask(client, path, *kinds):
    """The answer, if it is of a kind that the check is due for."""
    answer = client.exchange("GET", path)
    reason = why_not_due(answer, *kinds)
    if reason:
        pytest.skip(reason)
    return answer


@pytest.mark.check(
    "headers.nosniff",
    severity="normal",
    source="WHATWG Fetch, 3.6",
    subject="GET {path}",
    why="A browser that guesses what a body is may run an upload or an answer of the API as a script.",
    remedy="Send `X-Content-Type-Options: nosniff` with every answer that has a body.",
)
def test_content_type_is_not_sniffed(client, path):
    answer = ask(client, path, "document", "data", "file")
    said = answer.header("X-Content-Type-Options")
    assert keeps_type(answer.header_lines("X-Content-Type-Options")), (
        f"{in_words(answer)} without X-Content-Type-Options: nosniff"
        if said is None
        else f"{in_words(answer)} with X-Content-Type-Options: {said}, of which browsers read no nosniff"
    )


@pytest.mark.check(
    "headers.frame",
    severity="normal",
    source="CSP3, 6.4.2; HTML, 7.3.2.2",
    subject="GET {path}",
    why="A page of another site can show this one in a frame, and make its visitors click what they do not see.",
    remedy="Send `Content-Security-Policy: frame-ancestors 'none'` (or 'self'), or `X-Frame-Options: DENY`.",
)
def test_no_stranger_may_frame_it(client, path):
    answer = ask(client, path, "document")
    policy, old = policy_of(answer), answer.header("X-Frame-Options")
    if policy.names("frame-ancestors"):
        why = "with frame-ancestors that let any site in (browsers then do not look at X-Frame-Options)"
    elif old is None:
        in_meta = any("frame-ancestors" in one.unheard for one in policy.policies)
        why = "without frame-ancestors and without X-Frame-Options" + (
            "; what a <meta> says of frame-ancestors browsers ignore" if in_meta else ""
        )
    else:
        why = f"with X-Frame-Options: {old}, which browsers ignore"
    assert framing(answer.header_lines("X-Frame-Options"), policy) != "anybody", f"{in_words(answer)} {why}"


@pytest.mark.check(
    "headers.referrer",
    severity="minor",
    source="W3C Referrer Policy, 8.1",
    subject="GET {path}",
    why="Addresses of this page, with what stands in their queries, are told to the sites that it links to.",
    remedy="Send `Referrer-Policy: strict-origin-when-cross-origin` or a stricter word with documents.",
)
def test_referrer_stays_at_home(client, path):
    answer = ask(client, path, "document")
    said = answer.header("Referrer-Policy")
    policy = referrer_policy(answer.header_lines("Referrer-Policy"), read_parts(answer.text).referrers)
    if policy:
        why = f"in whose Referrer-Policy {policy} counts"
    elif said is None:
        why = "without Referrer-Policy"
    else:
        why = f"with Referrer-Policy: {said}, of which browsers know no word"
    assert policy in KEPT_AT_HOME, f"{in_words(answer)} {why}"


@pytest.mark.check(
    "headers.content_type",
    severity="normal",
    source="RFC 9110, 8.3; HTML, 4.2.5.4",
    subject="GET {path}",
    why="Without a type browsers guess it; without a charset a page may be read in one that an attacker chose.",
    remedy="Send `Content-Type` with every body; for pages `text/html; charset=utf-8`, or `<meta charset=utf-8>`.",
)
def test_body_says_what_it_is(client, path):
    answer = ask(client, path, "document", "data", "file")
    said = answer.header("Content-Type")
    kind = parse_media_type(said)
    assert kind is not None, (
        f"{in_words(answer)} with a body and without Content-Type"
        if said is None
        else f"{in_words(answer)} with Content-Type: {said}, which is no media type"
    )
    if kind.essence == "text/html":
        charset = charset_of(answer)
        assert charset in ("utf-8", "utf8"), (
            f"{in_words(answer)} as HTML in charset {charset}; HTML is written in UTF-8"
            if charset
            else f"{in_words(answer)} as HTML that says its charset neither in the header nor in its first 1,024 bytes"
        )


@pytest.mark.check(
    "headers.no_version",
    severity="minor",
    source="OWASP ASVS 5, V13.4",
    subject="GET {path}",
    why="Whoever looks for servers with a known hole finds this one by its version.",
    remedy="Take the version out of the header or page (nginx: `server_tokens off`), or leave both out.",
)
def test_no_version_is_told(client, path):
    answer = client.exchange("GET", path)
    told = [f"{name}: {value}" for name in TALKATIVE if (value := answer.header(name)) and VERSION.search(value)]
    maker = read_parts(answer.text).generator[:100] if is_page(answer) else ""
    if VERSION.search(maker):
        told.append(f'<meta name="generator" content="{maker}">')
    assert not told, f"{in_words(answer)} with the version of what runs there: {', '.join(told)}"


@pytest.mark.check(
    "headers.hsts_plain",
    severity="trivial",
    source="RFC 6797, 7.2",
    subject="GET {path}",
    why="The standard forbids the header over plain HTTP; browsers ignore it there.",
    remedy="Send Strict-Transport-Security with answers to secure requests alone.",
)
def test_no_hsts_over_plain_http(client, path, target, stack_info):
    if stack_info.url.startswith("https:"):
        pytest.skip("not applicable: the target speaks TLS only")
    if target.tls.in_front:
        pytest.skip("not applicable: TLS ends in front of the service ([tls] in_front)")
    answer = client.exchange("GET", path)
    told = answer.header("Strict-Transport-Security")
    # who is told by a proxy which requests were secure knows better; all others expect TLS in front of themselves
    if told and target.clients.address != "x-forwarded-for" and is_loopback(stack_info.url):
        pytest.skip("not applicable: sent over plain HTTP on this machine, where browsers ignore it")
    assert told is None, f"{in_words(answer)} over plain HTTP with Strict-Transport-Security: {told}"


def ask_securely(client, path, target, stack_info):
    """The answer to a secure request, and what it says of HSTS."""
    secure = stack_info.url.startswith("https:") or target.tls.in_front
    if not secure and target.clients.address != "x-forwarded-for":
        pytest.skip("no secure request can be made: plain http, and the profile names no trusted proxy")
    forwarded = {} if stack_info.url.startswith("https:") else {"X-Forwarded-Proto": "https"}
    answer = client.exchange("GET", path, headers=forwarded)
    return answer, parse_hsts(answer.header_lines("Strict-Transport-Security"))


@pytest.mark.check(
    "headers.hsts",
    severity="normal",
    source="RFC 6797, 6.1",
    subject="GET {path}",
    why="The first request of a visitor goes over plain HTTP, where whoever is on the way can read and change it.",
    remedy="Send `Strict-Transport-Security: max-age=31536000; includeSubDomains` over TLS.",
)
def test_hsts_on_secure_requests(client, path, target, stack_info):
    answer, hsts = ask_securely(client, path, target, stack_info)
    assert hsts is not None, f"{in_words(answer)} over TLS without Strict-Transport-Security"
    assert hsts.problems == (), (
        f"{in_words(answer)} with a Strict-Transport-Security that is not as it must be: {'; '.join(hsts.problems)}"
    )
    assert hsts.max_age is not None
    assert hsts.max_age >= SIX_MONTHS_S, (
        f"{in_words(answer)} with a Strict-Transport-Security that holds for {hsts.max_age} seconds,"
        " which is less than half a year"
    )


@pytest.mark.check(
    "headers.hsts_subdomains",
    severity="minor",
    source="OWASP Secure Headers Project",
    subject="GET {path}",
    why="A subdomain that is reached over plain HTTP can set cookies for this host.",
    remedy="Add `includeSubDomains` to Strict-Transport-Security once all subdomains speak TLS.",
)
def test_hsts_covers_subdomains(client, path, target, stack_info):
    answer, hsts = ask_securely(client, path, target, stack_info)
    if hsts is None or hsts.max_age is None:
        pytest.skip("not applicable: no HSTS is in force, as headers.hsts says")
    assert hsts.include_subdomains, f"{in_words(answer)} with a Strict-Transport-Security without includeSubDomains"


@pytest.mark.check(
    "headers.permissions",
    severity="minor",
    source="W3C Permissions Policy, 5.2; OWASP Secure Headers Project",
    subject="GET {page_path}",
    why="A script that was smuggled into the page, or a frame in it, may ask for camera, microphone and place.",
    remedy="Send `Permissions-Policy: camera=(), microphone=(), geolocation=()`, with those that the page needs.",
)
def test_page_gives_up_what_it_does_not_need(client, page_path):
    answer = ask(client, page_path, "document")
    lines = answer.header_lines("Permissions-Policy")
    policy = permissions_policy(lines)
    assert lines, f"{in_words(answer)} without Permissions-Policy"
    assert policy.features is not None, (
        f"{in_words(answer)} with a Permissions-Policy that browsers cannot read: {', '.join(lines)[:200]}"
    )
    open_features = [name for name in ("camera", "microphone", "geolocation") if not policy.is_limited(name)]
    assert open_features == [], f"{in_words(answer)} with a Permissions-Policy that leaves {', '.join(open_features)}"


@pytest.mark.check(
    "headers.opener",
    severity="minor",
    source="HTML, 7.1.3",
    subject="GET {page_path}",
    why="A page of another site that opens this one keeps a hold on its window.",
    remedy="Send `Cross-Origin-Opener-Policy: same-origin`, or same-origin-allow-popups where pop-ups log in.",
)
def test_page_is_isolated_from_its_opener(client, page_path):
    answer = ask(client, page_path, "document")
    said = answer.header("Cross-Origin-Opener-Policy")
    policy = opener_policy(answer.header_lines("Cross-Origin-Opener-Policy"))
    assert policy in OPENER_KEPT_OUT, (
        f"{in_words(answer)} without Cross-Origin-Opener-Policy"
        if said is None
        else f"{in_words(answer)} with Cross-Origin-Opener-Policy: {said}, by which {policy} is in force"
    )


@pytest.mark.check(
    "headers.authenticated_not_stored",
    severity="high",
    source="RFC 9111, 3.5; OWASP ASVS 5, V14.3",
    why="An answer to one account that a cache may store can be served to another.",
    remedy="Send `Cache-Control: no-store` or `private` with answers to an account.",
)
def test_answers_to_an_account_are_not_stored(new_client, role, target):
    path = target.cache.paths[0] if target.cache.paths else target.health.live
    answer = new_client(role=role).exchange("GET", path or "/")
    control = parse_cache_control(answer.header_lines("Cache-Control"))
    said = answer.header("Cache-Control")
    assert spares_private_answers(control), (
        f"{in_words(answer)} to an account with Cache-Control: {said}, by which a cache may serve it to others"
        if said
        else f"{in_words(answer)} to an account without Cache-Control"
    )
