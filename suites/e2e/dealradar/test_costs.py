"""What a request costs others: rows asked for one by one, a loop that stands still, connections not given back.

All are ratios or counts, so a busy machine changes nothing.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.dealradar.accounts import sign_up

ROUNDS, LOGINS = 11, 9
MOST_FOR_ROWS = 4
"""With a query for each row, 50 rows cost 8 times as much as one; without, at most twice."""
LONGEST_STALL = 0.45
"""Of the time of a login: 0.15 where passwords are hashed in a thread, 0.75 where the loop waits for them."""
MORE_THAN_CONNECTIONS = 25


@pytest.fixture
def reader(new_client):
    """Somebody whose answers never come from the cache, as they carry credentials."""
    return new_client(role="user")


@pytest.mark.check("api.costs.rows", severity="high", source="CWE-1073", subject="GET {path}")
@pytest.mark.parametrize("path", ["/api/deals", "/api/comments"])
def test_many_rows_cost_hardly_more_than_one(reader, path):
    taken = {1: [], 50: []}
    for _ in range(ROUNDS):
        for limit, seconds in taken.items():
            begun = time.perf_counter()
            page = reader.exchange("GET", path, params={"limit": limit})
            seconds.append(time.perf_counter() - begun)
            assert len(page.json()["items"]) == limit
    ratio = statistics.median(taken[50]) / statistics.median(taken[1])
    assert ratio < MOST_FOR_ROWS, f"50 rows cost {ratio:.1f} times as much as one: is there a query for each?"


@pytest.mark.alone
@pytest.mark.check("api.costs.login", severity="high", source="CWE-1322", subject="POST /api/auth/login")
@pytest.mark.writes
def test_nobody_waits_while_a_password_is_checked(client, new_client, learn_secret):
    account, other = sign_up(client, learn_secret), new_client()
    shares = []
    with ThreadPoolExecutor(1) as thread:
        for _ in range(LOGINS):
            begun = time.perf_counter()
            login = thread.submit(account.log_in)
            longest = 0.0
            while not login.done():
                asked = time.perf_counter()
                assert other.exchange("GET", "/health/live").status == 200
                longest = max(longest, time.perf_counter() - asked)
            login.result()
            shares.append(longest / (time.perf_counter() - begun))
    share = statistics.median(shares)
    assert share < LONGEST_STALL, f"for {share:.0%} of the time of a login the service answered nobody"


@pytest.mark.check("api.costs.refusals", severity="high", source="CWE-772", subject="PATCH /api/deals/1")
@pytest.mark.writes
def test_what_is_refused_keeps_no_connection(reader):
    for _ in range(MORE_THAN_CONNECTIONS):
        assert reader.exchange("PATCH", "/api/deals/1", json={"title": "x"}).status == 403
    assert reader.exchange("GET", "/api/deals/1").status == 200
