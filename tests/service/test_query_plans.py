"""Every hot query is served by an index: PostgreSQL explains what the service asks, on ten times the seed data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.dealradar_process import (
    OPERATOR,
    PASSWORD,
    USER,
    environment,
    eventually,
    on_database,
    run_command,
    superuser_url,
)

BIG = {"deals", "reviews", "comments", "price_history", "notifications", "delivery_attempts", "review_votes"}
EXPLAINED = re.compile(r"plan:\n\s*(\{.*?\n\s*\})\n(?=\d{4}-|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Seen:
    """Which indexes answered, and which big tables were read from end to end."""

    indexes: frozenset[str]
    scanned: frozenset[str]


@pytest.fixture
def database_url(servers, template) -> Iterator[str]:
    """Ten times as many rows, and a server that explains every statement of this database in its log."""
    with psycopg.connect(superuser_url(servers), autocommit=True) as admin:
        admin.execute("CREATE DATABASE explained OWNER app")
        url = on_database(template, "explained")
        passwords = {"SEED_USER_PASSWORD": PASSWORD, "SEED_OPERATOR_PASSWORD": PASSWORD}
        run_command("migrate", environment(servers, url, {}))
        run_command("seed", environment(servers, url, passwords), "--scale", "10")
        with psycopg.connect(on_database(superuser_url(servers), "explained"), autocommit=True) as there:
            there.execute("VACUUM ANALYZE")  # as autovacuum would have done meanwhile
        for name, value in {
            "session_preload_libraries": "auto_explain",
            "auto_explain.log_min_duration": "0",
            "auto_explain.log_format": "json",
        }.items():
            admin.execute(f"ALTER DATABASE explained SET {name} = '{value}'")
        yield url
        admin.execute("DROP DATABASE explained WITH (FORCE)")


@pytest.fixture
def explained(servers, start) -> Callable[[str, str], Seen]:
    """What PostgreSQL did for one request."""
    service = start(CACHE_ENABLED="false", RATE_LIMIT_PER_MINUTE="1000000")
    log = Path(servers.logs["postgres"])
    clients = {email: service.client(email) for email in ("", USER, OPERATOR)}

    def ask(path: str, email: str = "") -> Seen:
        offset = log.stat().st_size
        answer = clients[email].get(path)
        assert answer.status_code == 200, answer.text
        return _plans(log, offset)

    return ask


def _plans(log: Path, offset: int) -> Seen:
    found: list[object] = []

    def is_written() -> bool:
        text = log.read_bytes()[offset:].decode()
        found[:] = [json.loads(plan) for plan in EXPLAINED.findall(text)]
        return bool(found)

    eventually(is_written)
    nodes = [node for plan in found for node in _nodes(plan["Plan"])]
    return Seen(
        frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan") & BIG,
    )


def _nodes(plan: dict[str, object]) -> Iterator[dict[str, object]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


HOT = {
    "/api/deals": "deals_newest",
    "/api/deals?category=audio": "deals_by_category",
    "/api/deals?merchant=merchant-7": "deals_by_merchant",
    "/api/deals?sort=price": "deals_by_price",
    "/api/deals?sort=-price": "deals_by_price",
    "/api/deals?sort=price&max_price=900": "deals_by_price",
    "/api/deals?sort=discount": "deals_by_discount",
    "/api/deals?sort=rating": "deals_by_rating",
    "/api/deals?q=espresso+%23777": "deals_search",
    "/api/deals/7": "deals_pkey",
    "/api/deals/7/prices": "price_history_of_deal",
    "/api/deals/7/reviews": "reviews_of_deal",
    "/api/deals/7/reviews?sort=helpful": "reviews_by_help",
    "/api/deals/7/comments": "comments_of_deal",
    "/api/comments": "comments_newest",
    "/api/comments/500/thread": "comments_by_parent",
}

# Its total adds up the counters of all deals: reading those is far less than counting the comments.
ADDS_UP_DEALS = {"/api/comments"}


def test_every_hot_read_is_served_by_its_index(explained):
    wrong = {}
    for path, index in HOT.items():
        seen = explained(path)
        allowed = {"deals"} if path in ADDS_UP_DEALS else set()
        if index not in seen.indexes or seen.scanned - allowed:
            wrong[path] = (index, sorted(seen.indexes), sorted(seen.scanned))
    assert not wrong, "\n".join(map(str, wrong.items()))


def test_the_second_part_of_a_list_is_as_cheap_as_the_first(explained, start):
    following = httpx.get(start().url + "/api/deals?sort=rating", trust_env=False).json()["next"]
    seen = explained(f"/api/deals?sort=rating&cursor={following}")
    assert "deals_by_rating" in seen.indexes
    assert seen.scanned == frozenset()


OWN = {
    "/api/me/watchlist": "watchlist_items_pkey",
    "/api/me/alerts": "price_alerts_user_id_deal_id_key",
    "/api/me/notifications": "notifications_of_user",
    "/api/auth/me": "users_pkey",
}


def test_what_belongs_to_one_account_is_found_by_its_index(explained):
    seen = {path: explained(path, USER) for path in OWN}
    assert {path: OWN[path] in found.indexes for path, found in seen.items()} == dict.fromkeys(OWN, True)
    assert {path: found.scanned for path, found in seen.items()} == dict.fromkeys(OWN, frozenset())


def test_without_its_index_a_read_is_seen_to_scan(explained, db):
    db.execute("DROP INDEX deals_newest")
    seen = explained("/api/deals")
    assert "deals_newest" not in seen.indexes
    assert "deals" in seen.scanned
