"""Pages behind a login: shut without one, as strict as all others with one, and opened by cookies that are guarded."""

from datetime import UTC, datetime

import pytest

from harness.testing.probes import (
    account_of,
    find_holes,
    in_words,
    kept_cookies,
    log_in_by_form,
    parse_csp,
    parse_set_cookie,
    read_parts,
)

UNGUARDED = "the login set no cookie but those that scripts may read, so one of them is the session, or it set none"


@pytest.mark.check(
    "auth.guarded_page",
    severity="critical",
    source="CWE-306",
    subject="GET {guarded_page}",
    why="Whoever knows the address sees what is meant for an account.",
    remedy="Ask for the login before the page is made; send others to the form, or answer 401, 403 or 404.",
)
def test_the_page_is_shut_without_a_login(client, guarded_page):
    answer = client.exchange("GET", guarded_page)
    shut = answer.status in (301, 302, 303, 307, 308, 401, 403, 404)
    assert shut, f"{in_words(answer)} without a login, although the profile says that the page needs one"


@pytest.mark.check(
    "csp.behind_login",
    severity="normal",
    source="CSP3, 6.7.3",
    subject="GET {guarded_page}",
    why="Behind the login a script that was smuggled in acts as whoever is logged in.",
    remedy="Send the policy of the open pages with those behind the login too.",
)
def test_no_foreign_script_runs_behind_the_login(page, guarded_page):
    answer = page.goto(guarded_page)
    lines = [one["value"] for one in answer.headers_array() if one["name"].lower() == "content-security-policy"]
    csp = parse_csp(lines, read_parts(answer.text()).policies)
    assert csp.policies, f"GET {guarded_page} answered {answer.status} without Content-Security-Policy"
    kinds = ("inline", "eval", "anybody", "moved base")
    holes = [hole for hole in find_holes(csp) if hole.kind in kinds and not hole.element.startswith("style")]
    open_ways = list(dict.fromkeys(hole.text for hole in holes))
    assert not open_ways, (
        f"GET {guarded_page} answered {answer.status} with Content-Security-Policy in which {'; '.join(open_ways)}"
    )


@pytest.fixture
def login(request, target, stack_info):
    """The browser after a login of its own, and the cookies that were set on the way."""
    if target.pages.login is None:
        pytest.skip("not applicable: the profile has no [pages.login]")
    if not target.auth.roles:
        pytest.skip("no login by form: the profile names no account in [auth.roles]")
    # asked for only now: where there is no form, no browser is missed
    page, answers = request.getfixturevalue("new_page")(), []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright takes no built-in
    role = next(iter(target.pages.roles.values()), next(iter(target.auth.roles)))
    log_in_by_form(page, target.pages.login, *account_of(target, stack_info, role))
    page.wait_for_load_state()
    # read only now: a question put from within the listener may be answered after the test has looked
    lines = [one for answer in answers for one in answer.headers_array()]
    return page, [one["value"] for one in lines if one["name"].lower() == "set-cookie"]


@pytest.fixture
def guards(login, target):
    """Cookies that the browser keeps of the login, and that no script has to read: one of them guards the account."""
    kept = kept_cookies(login[1], datetime.now(UTC))
    return [cookie for cookie in kept if cookie.purpose != "csrf" and cookie.name not in target.cookies.readable]


@pytest.mark.check(
    "cookies.script",
    severity="high",
    source="RFC 6265bis, 4.1.2.6; OWASP ASVS 5, V3.3",
    subject="login by form",
    why="A script that was smuggled into a page can send the login to somebody else.",
    remedy="Add `HttpOnly` to the login's cookie, and keep no token where scripts can read it.",
)
@pytest.mark.writes
def test_no_script_can_read_the_login(login, guards, target):
    page, _ = login
    assert guards, UNGUARDED
    open_ones = [cookie.name for cookie in guards if not cookie.http_only]
    assert not open_ones, f"the login sets {', '.join(open_ones)} without HttpOnly"
    names = [pair.partition("=")[0].strip() for pair in page.evaluate("document.cookie").split(";") if pair.strip()]
    guarding = {cookie.name for cookie in guards}
    readable = [name for name in names if name in guarding]
    assert not readable, f"after the login scripts read {', '.join(readable)} in document.cookie"
    stored = page.evaluate("Object.entries({...localStorage, ...sessionStorage})")
    secrets = [name for name, value in stored if parse_set_cookie(f"{name}={value}").purpose == "session"]
    secrets = [name for name in secrets if name not in target.cookies.readable]
    assert not secrets, f"after the login scripts read {', '.join(secrets)} in the page's storage"


@pytest.mark.check(
    "cookies.same_site",
    severity="high",
    source="RFC 6265bis, 5.6.7",
    subject="login by form",
    why="A page of another site acts with the login of whoever visits it.",
    remedy="Add `SameSite=Lax` or `SameSite=Strict`.",
)
@pytest.mark.writes
def test_the_login_does_not_go_along_with_requests_of_other_sites(guards):
    assert guards, UNGUARDED
    loose = [cookie.name for cookie in guards if cookie.same_site not in ("strict", "lax")]
    assert not loose, f"the login sets {', '.join(loose)} without SameSite=Lax or Strict"


@pytest.mark.check(
    "cookies.well_formed",
    severity="high",
    source="RFC 6265bis, 4.1.3",
    subject="login by form",
    why="A browser that refuses the cookie logs nobody in.",
    remedy="Give the cookie what its prefix and its attributes demand.",
)
@pytest.mark.writes
def test_browsers_take_the_cookies_of_the_login(login):
    page, lines = login
    assert lines, "the login set no cookie"
    cookies = [parse_set_cookie(line) for line in lines]
    refused = [f"{cookie.name} ({'; '.join(cookie.problems)})" for cookie in cookies if cookie.problems]
    assert not refused, f"the login sets cookies that browsers refuse: {', '.join(refused)}"
    unseen = {kept["name"] for kept in page.context.cookies()} - {cookie.name for cookie in cookies}
    assert not unseen, f"the browser has cookies that no answer of the login set: {', '.join(sorted(unseen))}"


@pytest.mark.check(
    "cookies.secure",
    severity="critical",
    source="RFC 6265bis, 4.1.2.5",
    subject="login by form",
    why="One request over plain HTTP sends the login in clear to whoever is on the way.",
    remedy="Add `Secure` to the login's cookie.",
)
@pytest.mark.writes
def test_the_login_is_never_sent_over_a_plain_connection(login, guards, stack_info):
    if not stack_info.url.startswith("https:"):
        pytest.skip("the login was made over plain http; with `gate --tls` it is not")
    assert guards, UNGUARDED
    plain = [cookie.name for cookie in guards if not cookie.secure]
    assert not plain, f"the login sets {', '.join(plain)} without Secure"
    guarding = {cookie.name for cookie in guards}
    sent = [kept["name"] for kept in login[0].context.cookies() if not kept["secure"] and kept["name"] in guarding]
    assert not sent, f"the browser would send {', '.join(sent)} over plain HTTP"
