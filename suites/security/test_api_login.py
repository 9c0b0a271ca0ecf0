"""Logins of the API: which tokens open it, how long, and what a refusal tells (OWASP API 2)."""

import pytest

from harness.testing.api import (
    accounts_doubled,
    accounts_outlived,
    accounts_told,
    codes_guessed,
    cookies_readable,
    default_accounts,
    endless_logins,
    gate_of,
    has_logout,
    listening,
    logins_by_type,
    logouts_ignored,
    passwords_changed,
    passwords_taken,
    refreshes_kept,
    resets_told,
    sessions_fixed,
    token_in_query,
    tokens_forged,
)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240), pytest.mark.attacks, pytest.mark.writes]


@pytest.fixture
def gate(accounts):
    """A read that lets an account in, and nobody else."""
    found = gate_of(accounts)
    if found is None:
        pytest.skip("not applicable: no read lets an account in and nobody without one")
    return found


@pytest.fixture
def own_accounts(accounts):
    """The API, with accounts that may be spoilt."""
    if not any(each.ours for each in accounts.accounts):
        pytest.skip("an account that may be spoilt is needed: add [auth.register]")
    return accounts


@pytest.mark.check(
    "holes.tokens_forged",
    severity="critical",
    source="OWASP API2:2023; RFC 8725, 2.1, 3.1, 3.5, 3.10; CWE-347",
    subject="tokens and cookies of a login",
    why="Whoever makes a token that is believed is whoever he likes.",
    remedy="Check each token's signature by one algorithm and a long random key, and its end.",
)
def test_only_tokens_of_the_service_open_it(accounts, gate, first_hole):
    with listening() as listener:
        hole = first_hole(tokens_forged(accounts, gate, listener))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.tokens_after_logout",
    severity="high",
    source="OWASP ASVS 5, V7.4; CWE-613",
    subject="logout",
    why="Whoever has copied a token uses it on after its owner has left.",
    remedy="End the session at the service, not in the client alone.",
)
def test_a_logout_ends_what_the_login_gave(accounts, gate, first_hole):
    if not has_logout(accounts):
        pytest.skip("not applicable: the document describes no logout")
    hole = first_hole(logouts_ignored(accounts, gate))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.password_change",
    severity="high",
    source="OWASP ASVS 5, V6.2, V7.4; CWE-620",
    subject="change of a password",
    why="Whoever has a stolen session keeps it, or takes the account over.",
    remedy="Ask for the current password, and end all other sessions when it changes.",
)
def test_a_new_password_takes_the_old_one_and_ends_sessions(own_accounts, first_hole):
    hole = first_hole(passwords_changed(own_accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.default_accounts",
    severity="critical",
    source="CWE-1392; OWASP ASVS 5, V6.3",
    subject="names and passwords of deliveries",
    why="Names and passwords with which services are delivered are tried first.",
    remedy="Deliver no account, or have its password set at the first start.",
)
def test_no_account_has_a_usual_password(accounts, first_hole):
    hole = first_hole(default_accounts(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.resets_told",
    severity="critical",
    source="CWE-640; OWASP Forgot Password Cheat Sheet",
    subject="forgotten passwords",
    why="Whoever asks for another's new password gets it.",
    remedy="Send it by mail or another way of the account's owner, never in the answer.",
)
def test_a_forgotten_password_is_not_told_to_whoever_asks(accounts, first_hole):
    hole = first_hole(resets_told(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.accounts_told",
    severity="normal",
    source="CWE-204, CWE-208; OWASP Authentication Cheat Sheet",
    subject="refused logins",
    why="Who has an account can be found out, name by name.",
    remedy="Answer both in the same words, and check a password's hash in both.",
)
def test_a_refusal_does_not_tell_who_has_an_account(accounts, first_hole):
    hole = first_hole(accounts_told(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.logins_limited",
    severity="normal",
    source="OWASP API2:2023, API4:2023; ASVS 4, 2.2.1; CWE-307",
    subject="wrong passwords in a row",
    why="Passwords can be tried until one fits.",
    remedy="Slow down or refuse after some wrong passwords, by account and by client.",
)
def test_wrong_passwords_are_not_taken_for_ever(own_accounts, first_hole):
    hole = first_hole(endless_logins(own_accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.token_in_query",
    severity="normal",
    source="RFC 9700, 4.3.2; CWE-598",
    subject="tokens of a login",
    why="Addresses are kept: in logs, histories, and the Referer of the next page.",
    remedy="Take tokens from the Authorization header alone.",
)
def test_a_token_is_taken_from_its_header_alone(accounts, gate, first_hole):
    if "Authorization" not in gate.account.headers:
        pytest.skip("not applicable: the login gives no token")
    hole = first_hole(token_in_query(accounts, gate))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.login_by_type",
    severity="critical",
    source="CWE-943, CWE-1287",
    subject="the password of a login",
    why="Whoever sends an operator or another type than a text is let in as anybody.",
    remedy="Refuse a password that is no text before it gets to the database.",
)
def test_nothing_but_the_password_lets_in(accounts, first_hole):
    hole = first_hole(logins_by_type(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.accounts_doubled",
    severity="normal",
    source="CWE-694, CWE-367; RFC 5321, 2.4",
    subject="registration",
    why="Two accounts of one name or address get what is meant for one: coupons, links for a new password, rights.",
    remedy="Keep names and addresses in one spelling, under a unique index of the database.",
)
def test_an_account_is_there_once(own_accounts, first_hole):
    hole = first_hole(accounts_doubled(own_accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.passwords_taken",
    severity="normal",
    source="OWASP ASVS 5, V6.2.1; NIST SP 800-63B, 3.1.1.2; CWE-521",
    subject="registration",
    why="A password of a few letters is found by trying.",
    remedy="Ask for eight letters at least, and refuse the passwords that are used most.",
)
def test_a_password_of_four_letters_is_refused(own_accounts, first_hole):
    hole = first_hole(passwords_taken(own_accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.tokens_after_deletion",
    severity="high",
    source="OWASP ASVS 5, V7.4; CWE-613",
    subject="deleted accounts",
    why="Who was removed goes on as if nothing had happened.",
    remedy="Look up the account of a token at each request, or end its tokens with it.",
)
def test_a_deleted_account_is_let_in_no_more(own_accounts, gate, first_hole):
    if not any(each.operation.method == "DELETE" for each in own_accounts.operations):
        pytest.skip("not applicable: the document describes no DELETE")
    hole = first_hole(accounts_outlived(own_accounts, gate))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.tokens_refreshed",
    severity="high",
    source="RFC 9700, 4.14.2; CWE-613",
    subject="tokens for new tokens",
    why="Whoever has copied one has the account for as long as he likes.",
    remedy="Replace it at each use, end the whole family when an old one comes back, and all of them at the logout.",
)
def test_a_token_for_new_tokens_is_used_once(accounts, gate, first_hole):
    if not any("refresh" in each.operation.path.lower() for each in accounts.operations):
        pytest.skip("not applicable: the document describes nothing that gives new tokens")
    hole = first_hole(refreshes_kept(accounts, gate))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.sessions_fixed",
    severity="high",
    source="OWASP ASVS 5, V7.2; CWE-384",
    subject="cookies of a login",
    why="Whoever sets the cookie before the login has the session after it.",
    remedy="Give a new session at each login, and take none that the service did not give.",
)
def test_a_login_gives_a_new_session(accounts, gate, first_hole):
    if not gate.account.cookies:
        pytest.skip("not applicable: the login gives no cookie")
    hole = first_hole(sessions_fixed(accounts, gate))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.codes_limited",
    severity="high",
    source="OWASP API2:2023; ASVS 5, V6.6; CWE-307",
    subject="wrong codes in a row",
    why="A code of a few digits is found by trying.",
    remedy="End a code after some wrong ones, by account.",
)
def test_wrong_codes_are_not_taken_for_ever(accounts, first_hole):
    hole = first_hole(codes_guessed(accounts))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.login_cookies",
    severity="high",
    source="RFC 6265bis, 4.1.2.5, 4.1.2.6; OWASP ASVS 5, V3.3; CWE-1004, CWE-614",
    subject="cookies of a login",
    why="A script that was smuggled into a page, or whoever is on the way, gets the login.",
    remedy="Set HttpOnly on the session's cookie, and Secure where the service is reached over TLS.",
)
def test_cookies_of_a_login_are_guarded(accounts, first_hole):
    if not accounts.asker.cookies:
        pytest.skip("not applicable: the login gives no cookie")
    hole = first_hole(cookies_readable(accounts))
    assert hole is None, str(hole)
