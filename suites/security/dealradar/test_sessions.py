"""A login that was stolen is of little use: tokens are good once, guesses are few, cookies change nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.dealradar.accounts import sign_up

pytestmark = [pytest.mark.writes, pytest.mark.attacks]


@pytest.fixture
def account(client, learn_secret):
    """A new account of this test's own."""
    return sign_up(client, learn_secret)


@pytest.mark.check("auth.refresh_reuse", severity="critical", source="RFC 9700, 4.14.2", subject="one after the other")
def test_a_refresh_token_that_comes_again_ends_the_login(account):
    first, other = account.log_in(), account.log_in()
    second = account.tokens("/api/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert account.refresh(first["refresh_token"]) == 401
    assert account.refresh(second["refresh_token"]) == 401, "the thief or the owner goes on"
    assert account.refresh(other["refresh_token"]) == 200, "another login ended too"


@pytest.mark.check("auth.refresh_reuse", severity="critical", source="RFC 9700, 4.14.2", subject="six at once")
def test_of_many_who_refresh_at_once_one_wins(account):
    token = account.log_in()["refresh_token"]
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(account.refresh, [token] * 6))
    assert sorted(statuses) == [200] + [401] * 5


@pytest.mark.check("auth.logout", severity="high", source="OWASP ASVS 5.0, 7.4.1", subject="POST /api/auth/logout")
def test_a_refresh_token_ends_with_its_login(account, new_client):
    ended, other = account.log_in(), account.log_in()
    leaving = new_client(headers={"Authorization": f"Bearer {ended['access_token']}"})
    assert leaving.exchange("POST", "/api/auth/logout", json={"everywhere": False}).status == 204
    assert account.refresh(ended["refresh_token"]) == 401, "the refresh token of a login that was ended gives a token"
    assert account.refresh(other["refresh_token"]) == 200, "another login ended too"


@pytest.mark.check("auth.guessing", severity="high", source="OWASP ASVS 5.0, 6.3.1", subject="POST /api/auth/login")
def test_guessing_a_password_is_stopped_before_it_gets_far(account, new_client):
    guess = {"email": account.email, "password": "certainly wrong"}
    for _ in range(30):
        answer = account.client.exchange("POST", "/api/auth/login", json=guess)
        if answer.status == 429:
            break
        assert answer.status == 401
    assert answer.status == 429, "thirty wrong passwords in a row were judged"
    assert int(answer.header("Retry-After") or 0) > 0
    right = {"email": account.email, "password": account.password}
    assert new_client().exchange("POST", "/api/auth/login", json=right).status == 200, "the owner is locked out"


@pytest.mark.check("auth.made_up_refresh", severity="high", source="CWE-20", subject="{kind}")
@pytest.mark.parametrize("kind", ["made up", "not ASCII", "NUL", "long"])
def test_a_made_up_refresh_token_is_refused(account, kind):
    tokens = {"made up": "A" * 43, "not ASCII": "\u00e9" * 43, "NUL": "\0", "long": "A" * 50_000}
    assert account.refresh(tokens[kind]) in (401, 422)
