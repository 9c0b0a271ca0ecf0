"""Logins of the API: which tokens open it, how long, and what a refusal tells (OWASP API 2)."""

import pytest

from harness.testing.api import (
    accounts_told,
    default_accounts,
    endless_logins,
    gate_of,
    has_logout,
    logouts_ignored,
    passwords_changed,
    resets_told,
    tokens_forged,
)

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240), pytest.mark.attacks, pytest.mark.writes]


@pytest.fixture
def entered(api):
    """The API, with an account that is let in."""
    if not api.accounts:
        pytest.skip(api.target.absent.get("auth") or f"no account is let in: {api.why_no_accounts}")
    return api


@pytest.fixture
def gate(entered):
    """A read that lets an account in, and nobody else."""
    found = gate_of(entered)
    if found is None:
        pytest.skip("not applicable: no read lets an account in and nobody without one")
    return found


@pytest.fixture
def own_accounts(entered):
    """The API, with accounts that may be spoilt."""
    if not any(each.ours for each in entered.accounts):
        pytest.skip("an account that may be spoilt is needed: add [auth.register]")
    return entered


@pytest.mark.check(
    "holes.tokens_forged",
    severity="critical",
    source="OWASP API2:2023; RFC 8725, 2.1, 3.1, 3.5; CWE-347",
    subject="tokens and cookies of a login",
    why="Whoever makes a token that is believed is whoever he likes.",
    remedy="Check each token's signature by one algorithm and a long random key, and its end.",
)
def test_only_tokens_of_the_service_open_it(entered, gate, first_hole):
    hole = first_hole(tokens_forged(entered, gate))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.tokens_after_logout",
    severity="high",
    source="OWASP ASVS 5, V7.4; CWE-613",
    subject="logout",
    why="Whoever has copied a token uses it on after its owner has left.",
    remedy="End the session at the service, not in the client alone.",
)
def test_a_logout_ends_what_the_login_gave(entered, gate, first_hole):
    if not has_logout(entered):
        pytest.skip("not applicable: the document describes no logout")
    hole = first_hole(logouts_ignored(entered, gate))
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
def test_no_account_has_a_usual_password(entered, first_hole):
    hole = first_hole(default_accounts(entered))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.resets_told",
    severity="critical",
    source="CWE-640; OWASP Forgot Password Cheat Sheet",
    subject="forgotten passwords",
    why="Whoever asks for another's new password gets it.",
    remedy="Send it by mail or another way of the account's owner, never in the answer.",
)
def test_a_forgotten_password_is_not_told_to_whoever_asks(entered, first_hole):
    hole = first_hole(resets_told(entered))
    assert hole is None, str(hole)


@pytest.mark.check(
    "holes.accounts_told",
    severity="normal",
    source="CWE-204, CWE-208; OWASP Authentication Cheat Sheet",
    subject="refused logins",
    why="Who has an account can be found out, name by name.",
    remedy="Answer both in the same words, and check a password's hash in both.",
)
def test_a_refusal_does_not_tell_who_has_an_account(entered, first_hole):
    hole = first_hole(accounts_told(entered))
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
