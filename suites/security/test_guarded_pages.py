"""Pages behind a login: shut without one, as strict as all others with one, and opened by cookies that are guarded."""

import pytest

from harness.testing.probes import account_of, log_in_by_form, parse_csp, parse_set_cookie


@pytest.mark.check("auth.guarded_page", severity="critical", source="CWE-306", subject="GET {guarded_page}")
def test_the_page_is_shut_without_a_login(client, guarded_page):
    assert client.exchange("GET", guarded_page).status in (301, 302, 303, 307, 308, 401, 403, 404)


@pytest.mark.check("csp.behind_login", severity="critical", source="CSP3, 6.7.3", subject="GET {guarded_page}")
def test_no_foreign_script_runs_behind_the_login(page, guarded_page):
    answer = page.goto(guarded_page)
    lines = [one["value"] for one in answer.headers_array() if one["name"].lower() == "content-security-policy"]
    csp = parse_csp(lines)
    assert csp.governs("script-src")
    assert not csp.has_unsafe_inline("script-src"), "inline scripts run"
    assert not csp.allows_eval(), "eval runs"
    assert csp.missing() == ()


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
    return page, [parse_set_cookie(one["value"]) for one in lines if one["name"].lower() == "set-cookie"]


@pytest.mark.check("cookies.script", severity="high", source="RFC 6265bis; OWASP ASVS 5, V3.3", subject="login by form")
@pytest.mark.writes
def test_no_script_can_read_the_login(login):
    page, cookies = login
    assert cookies, "the login set no cookie"
    assert [cookie.name for cookie in cookies if not cookie.http_only] == []
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))") == []


@pytest.mark.check("cookies.same_site", severity="high", source="RFC 6265bis, 5.6.7", subject="login by form")
@pytest.mark.writes
def test_the_login_does_not_go_along_with_requests_of_other_sites(login):
    _, cookies = login
    assert cookies, "the login set no cookie"
    assert [cookie.name for cookie in cookies if cookie.same_site not in ("strict", "lax")] == []


@pytest.mark.check("cookies.well_formed", severity="high", source="RFC 6265bis, 4.1.3", subject="login by form")
@pytest.mark.writes
def test_browsers_take_the_cookies_of_the_login(login):
    page, cookies = login
    assert cookies, "the login set no cookie"
    assert [problem for cookie in cookies for problem in cookie.problems] == []
    assert {cookie.name for cookie in cookies} >= {kept["name"] for kept in page.context.cookies()}


@pytest.mark.check("cookies.secure", severity="critical", source="RFC 6265bis, 4.1.2.5", subject="login by form")
@pytest.mark.writes
def test_the_login_is_never_sent_over_a_plain_connection(login, stack_info):
    if not stack_info.url.startswith("https:"):
        pytest.skip("the login was made over plain http; with `gate --tls` it is not")
    page, cookies = login
    assert cookies, "the login set no cookie"
    assert [cookie.name for cookie in cookies if not cookie.secure] == []
    assert [kept["name"] for kept in page.context.cookies() if not kept["secure"]] == []
