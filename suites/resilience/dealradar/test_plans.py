"""Every hot read can be served by its index: PostgreSQL tells how it answers what the service asks.

The data are few, so that reading a whole table would often be cheaper: here it is forbidden wherever there is another
way. A query that an index could not serve then sorts what another one found, and never names its own.
"""

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from harness.testing import eventually
from harness.testing.stacks import SUPERUSER

pytestmark = [
    pytest.mark.breaks,
    pytest.mark.writes,
    pytest.mark.rig(workers=0, env={"CACHE_ENABLED": "false"}),
]
HOT = {
    "/api/deals": "deals_newest",
    "/api/deals?category=audio": "deals_by_category",
    "/api/deals?merchant=merchant-7": "deals_by_merchant",
    "/api/deals?sort=price": "deals_by_price",
    "/api/deals?sort=-price": "deals_by_price",
    "/api/deals?sort=discount": "deals_by_discount",
    "/api/deals?sort=rating": "deals_by_rating",
    "/api/deals?q=espresso": "deals_search",
    "/api/deals/7/prices": "price_history_of_deal",
    "/api/deals/7/reviews": "reviews_of_deal",
    "/api/deals/7/reviews?sort=helpful": "reviews_by_help",
    "/api/deals/7/comments": "comments_of_deal",
    "/api/reviews": "reviews_newest",
    "/api/comments": "comments_newest",
    "/api/comments/500/thread": "comments_by_parent",
}
TELLING = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "enable_seqscan": "off",
}


@pytest.fixture(scope="module")
def told(rig):
    """`told(path)`: the plans that PostgreSQL told of that request's queries for a part of a list."""
    address = urlsplit(rig.info.database_url)
    where = {"host": address.hostname, "port": address.port, "dbname": address.path.lstrip("/")}
    password = rig.info.secrets["postgres_superuser"]
    with psycopg.connect(**where, user=SUPERUSER, password=password, autocommit=True) as admin:
        for name, value in TELLING.items():
            admin.execute(f"ALTER DATABASE {where['dbname']} SET {name} = '{value}'")
        # what is set holds for connections that are made from now on
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dealradar'")
    client, log = rig.client(), Path(rig.info.logs["postgres"])
    answers = partial(client.exchange, "GET", "/api/categories")
    eventually(lambda: answers().status == 200, "the service has new connections", seconds=30)

    def ask(path: str) -> list[str]:
        before = log.stat().st_size
        assert client.exchange("GET", path).status == 200
        with log.open("rb") as file:
            file.seek(before)
            entries = file.read().decode(errors="replace").split(" plan:\n")[1:]
        # a list is counted too, and any index will do for that
        return [entry for entry in entries if "LIMIT" in entry]

    return ask


@pytest.mark.check("data.plans", severity="high", source="service/manifest.toml", subject="GET {path}")
@pytest.mark.parametrize("path", HOT)
def test_a_hot_read_is_served_by_its_index(told, path):
    seen = []

    def is_served() -> bool:
        seen[:] = told(path)
        return any(HOT[path] in plan for plan in seen)

    # a container's log comes a moment later
    eventually(is_served, f"{HOT[path]} serves it", seconds=10, explain=lambda: "\n".join(seen) or "no plan was told")
