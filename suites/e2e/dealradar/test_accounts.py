"""Who may do what."""

import pytest
from psycopg import sql

from fixtures.dealradar.accounts import sign_up

COUNTED, REQUESTS = "GET /api/me/preferences", "dealradar_requests_total"
METRICS = ("/api/metrics/overview", "/api/metrics/performance", "/api/metrics/notifications")


@pytest.mark.check("auth.login", severity="critical")
def test_a_login_gives_a_token_that_works(new_client):
    me = new_client(role="user").exchange("GET", "/api/auth/me")
    assert me.status == 200
    assert me.json()["role"] == "user"


@pytest.mark.check("auth.wrong_password", severity="critical")
@pytest.mark.parametrize("email", ["user@dealradar.test", "nobody@dealradar.test"])
def test_a_wrong_password_is_401_and_says_nothing_more(client, email):
    answer = client.exchange("POST", "/api/auth/login", json={"email": email, "password": "certainly wrong"})
    assert answer.status == 401
    assert "password" in answer.json()["detail"]
    assert "e-mail" in answer.json()["detail"], "an unknown account must look like a wrong password"


@pytest.fixture
def account(client, learn_secret):
    """A new account of this test's own."""
    return sign_up(client, learn_secret)


@pytest.mark.check("auth.register", severity="critical")
@pytest.mark.writes
def test_who_registers_can_log_in(account):
    me = account.ask("GET", "/api/auth/me", account.log_in()["access_token"]).json()
    assert (me["email"], me["role"]) == (account.email, "user")


@pytest.mark.check("auth.one_address", severity="high", subject="POST /api/auth/register")
@pytest.mark.writes
def test_an_address_has_one_account_whatever_its_case(account):
    body = {"email": account.email.upper(), "display_name": "Somebody else", "password": "another password"}
    assert account.client.exchange("POST", "/api/auth/register", json=body).status == 409


@pytest.mark.check("auth.refresh", severity="critical", source="RFC 6749, 6")
@pytest.mark.writes
def test_a_refresh_token_gets_new_tokens(account):
    first = account.log_in()
    second = account.tokens("/api/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert second["refresh_token"] != first["refresh_token"]
    assert account.ask("GET", "/api/auth/me", second["access_token"]).status == 200


@pytest.mark.check("auth.logout", severity="critical", source="OWASP ASVS 5.0, 7.4.1")
@pytest.mark.writes
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_logout_ends_the_login_and_everywhere_ends_all(account, everywhere):
    here, elsewhere = account.log_in(), account.log_in()
    answer = account.ask("POST", "/api/auth/logout", here["access_token"], json={"everywhere": everywhere})
    assert answer.status == 204
    assert account.refresh(here["refresh_token"]) == 401
    assert account.refresh(elsewhere["refresh_token"]) == (401 if everywhere else 200)


@pytest.mark.check("auth.required", severity="critical")
@pytest.mark.writes
@pytest.mark.parametrize("path", ["/api/deals", "/api/deals/1/reviews", "/api/deals/1/comments"])
def test_writing_needs_a_login(client, path):
    answer = client.exchange("POST", path, json={})
    assert answer.status == 401
    assert (answer.header("WWW-Authenticate") or "").startswith("Bearer")


@pytest.mark.check("metrics.anonymous", severity="critical", subject="GET {path}")
@pytest.mark.parametrize("path", METRICS)
def test_metrics_need_a_login(client, path):
    answer = client.exchange("GET", path)
    assert answer.status == 401
    assert (answer.header("WWW-Authenticate") or "").startswith("Bearer")


@pytest.mark.check("metrics.wrong_role", severity="critical", subject="GET {path}")
@pytest.mark.parametrize("path", METRICS)
def test_metrics_need_the_operator(new_client, path):
    assert new_client(role="user").exchange("GET", path).status == 403


@pytest.mark.check("metrics.endpoints", severity="high", subject="GET {path}")
@pytest.mark.parametrize("path", METRICS)
def test_metrics_are_there_for_the_operator(new_client, path):
    answer = new_client(role="operator").exchange("GET", path)
    assert answer.status == 200
    assert answer.json()["computed_at"]


@pytest.mark.check("metrics.overview_true", severity="high")
def test_the_overview_counts_what_the_database_holds(new_client, db):
    before = {table: _count(db, table) for table in ("deals", "reviews", "comments")}
    totals = new_client(role="operator").exchange("GET", METRICS[0]).json()["totals"]
    after = {table: _count(db, table) for table in before}
    for table, low in before.items():
        # other tests write meanwhile, and a cached overview may be as old as the last write's invalidation
        assert low - 50 <= totals[table] <= after[table]


@pytest.mark.check("metrics.performance_true", severity="high")
def test_the_performance_figures_come_from_real_requests(new_client, client):
    for _ in range(3):
        assert client.exchange("GET", "/api/deals").status == 200
    routes = new_client(role="operator").exchange("GET", METRICS[1]).json()["routes"]
    busy = [route for route in routes if route["requests"] > 0]
    assert busy, "no route was counted"
    assert all(0 < route["p50_ms"] <= route["p99_ms"] <= route["max_ms"] for route in busy if route["samples"])


@pytest.mark.check("metrics.notifications_true", severity="high")
def test_the_notification_figures_are_those_of_the_database(new_client, db):
    low, low_by_state = _count(db, "notifications"), _by_state(db)
    told = new_client(role="operator").exchange("GET", METRICS[2]).json()
    high_by_state = _by_state(db)
    # as above: other tests cause some meanwhile
    assert 0 < low - 50 <= told["total"] <= _count(db, "notifications")
    for state in ("sent", "dead"):
        assert 0 < low_by_state[state] - 50 <= sum(kind[state] for kind in told["kinds"]) <= high_by_state[state]


@pytest.mark.check("metrics.counted_once", severity="high", source="Prometheus, metric types: counter", subject=COUNTED)
def test_each_request_is_counted_once(new_client, stack_info):
    one = stack_info.instances[0].url if stack_info.instances else stack_info.url
    scraper, user = new_client(base_url=one, address="127.0.0.1"), new_client(base_url=one, role="user")
    before = _requests(scraper)
    for _ in range(20):
        assert user.exchange("GET", COUNTED.removeprefix("GET ")).status == 200
    # other tests may ask for the same meanwhile, but not as often
    assert 20 <= _requests(scraper) - before < 40


@pytest.mark.check("metrics.figures_guarded", severity="high", source="README of the service", subject="GET /metrics")
def test_figures_of_the_process_are_not_for_everybody(client, new_client):
    assert client.exchange("GET", "/metrics").status == 403
    assert new_client(role="operator").exchange("GET", "/metrics").status == 403


def _requests(scraper):
    """How many requests of the route the instance has counted, over all statuses."""
    answer = scraper.exchange("GET", "/metrics")
    assert answer.status == 200
    lines = answer.text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f'{REQUESTS}{{route="{COUNTED}"'))


def _by_state(db):
    return dict(db.execute("SELECT state, count(*) FROM notifications GROUP BY state").fetchall())


def _count(db, table):
    return db.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()[0]
