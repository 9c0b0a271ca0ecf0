"""Figures for operators. What they are made of is kept in Valkey, behind the check of who is asking."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel

from dealradar import single_flight
from dealradar.auth import FOR_OPERATORS, OperatorDep
from dealradar.cache_store import COMMENTS, DEALS, NOTIFICATIONS, REVIEWS, Answer, Lookup
from dealradar.state import Services, ServicesDep
from dealradar.valkey import ValkeyDownError

router = APIRouter(prefix="/api/metrics", tags=["metrics"], responses=FOR_OPERATORS)


class CategoryFigures(BaseModel):
    """One category."""

    category: str
    deals: int
    reviews: int
    comments: int
    average_rating: float | None


class DayFigures(BaseModel):
    """One day with any activity."""

    day: date
    reviews: int
    comments: int


class Overview(BaseModel):
    """How much there is, by category, and by day for the 30 newest days."""

    totals: dict[str, int]
    categories: list[CategoryFigures]
    days: list[DayFigures]
    computed_at: datetime


class RouteFigures(BaseModel):
    """What one route was asked and how long it took, in the process that answers."""

    route: str
    requests: int
    client_errors: int
    server_errors: int
    samples: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class TableFigures(BaseModel):
    """One table as PostgreSQL counts it."""

    table: str
    rows: int
    bytes: int
    sequential_scans: int
    index_scans: int


class Performance(BaseModel):
    """Measured by this process since it started, and by the database."""

    instance: str
    uptime_seconds: float
    cache: dict[str, int]
    pool: dict[str, int]
    routes: list[RouteFigures]
    tables: list[TableFigures]
    computed_at: datetime


class KindFigures(BaseModel):
    """The notifications of one kind; delays in seconds, null while none was sent."""

    kind: str
    sent: int
    pending: int
    sending: int
    failed: int
    dead: int
    attempts: int
    delay_p50_s: float | None
    delay_p95_s: float | None
    delay_max_s: float | None


class Notifications(BaseModel):
    """How notifications fare, by kind; delivered_share is of those that were tried to the end."""

    total: int
    delivered_share: float | None
    recipients: int
    kinds: list[KindFigures]
    computed_at: datetime


_TOTALS = """
    SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM merchants) AS merchants,
           (SELECT count(*) FROM categories) AS categories, (SELECT count(*) FROM deals) AS deals,
           (SELECT count(*) FROM reviews) AS reviews, (SELECT count(*) FROM comments) AS comments
"""
_BY_CATEGORY = """
    SELECT c.slug AS category, count(d.id) AS deals, coalesce(sum(r.n), 0)::bigint AS reviews,
           coalesce(sum(k.n), 0)::bigint AS comments, round(sum(r.points) / nullif(sum(r.n), 0), 2)::float8 AS
           average_rating FROM categories c LEFT JOIN deals d ON d.category_id = c.id LEFT JOIN (SELECT deal_id,
           count(*) AS n, sum(rating) AS points FROM reviews GROUP BY deal_id) r ON r.deal_id = d.id LEFT JOIN (SELECT
           deal_id, count(*) AS n FROM comments GROUP BY deal_id) k ON k.deal_id = d.id GROUP BY c.slug ORDER BY
           c.slug
"""
_BY_DAY = """
    SELECT created_at::date AS day, count(*) FILTER (WHERE is_review) AS reviews,
           count(*) FILTER (WHERE NOT is_review) AS comments
      FROM (SELECT created_at, true AS is_review FROM reviews UNION ALL SELECT created_at, false FROM comments) activity
     GROUP BY day ORDER BY day DESC LIMIT 30
"""
_TABLES = """
    SELECT relname AS "table", n_live_tup AS rows, pg_total_relation_size(relid) AS bytes, seq_scan AS sequential_scans,
           coalesce(idx_scan, 0) AS index_scans
      FROM pg_stat_user_tables WHERE schemaname = 'public' ORDER BY relname
"""
_BY_KIND = """
    SELECT kind, count(*) AS total, count(*) FILTER (WHERE state = 'sent') AS sent,
           count(*) FILTER (WHERE state = 'pending') AS pending, count(*) FILTER (WHERE state = 'sending') AS sending,
           count(*) FILTER (WHERE state = 'failed') AS failed, count(*) FILTER (WHERE state = 'dead') AS dead,
           sum(attempts) AS attempts,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - created_at)::float8) AS delay_p50_s,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - created_at)::float8) AS
           delay_p95_s, max(extract(epoch FROM sent_at - created_at))::float8 AS delay_max_s FROM notifications GROUP
           BY kind ORDER BY kind
"""


@router.get("/overview", response_model=Overview)
async def overview(services: ServicesDep, _: OperatorDep) -> Response:
    """Count what there is."""

    async def compute() -> Overview:
        totals = await services.database.one(_TOTALS)
        categories = await services.database.all(_BY_CATEGORY)
        days = await services.database.all(_BY_DAY)
        return Overview.model_validate(
            {"totals": totals, "categories": categories, "days": days, "computed_at": datetime.now(UTC)}
        )

    return await _kept(services, "overview", (DEALS, REVIEWS, COMMENTS), compute)


@router.get("/performance", response_model=Performance)
async def performance(services: ServicesDep, _: OperatorDep) -> Response:
    """Report what this process measured."""
    traffic = services.traffic

    async def compute() -> Performance:
        return Performance.model_validate(
            {
                "instance": traffic.instance,
                "uptime_seconds": round(time.monotonic() - traffic.started, 3),
                "cache": {word: traffic.cache[word] for word in ("hit", "miss", "bypass", "stale")},
                "pool": services.database.pool_report(),
                "routes": traffic.report(),
                "tables": await services.database.all(_TABLES),
                "computed_at": datetime.now(UTC),
            }
        )

    return await _kept(services, f"performance:{traffic.instance}", (), compute)


@router.get("/notifications", response_model=Notifications)
async def notifications(services: ServicesDep, _: OperatorDep) -> Response:
    """Say how notifications fare."""

    async def compute() -> Notifications:
        kinds = await services.database.all(_BY_KIND)
        people = await services.database.one("SELECT count(DISTINCT user_id) AS recipients FROM notifications")
        sent = sum(kind["sent"] for kind in kinds)
        ended = sent + sum(kind["dead"] for kind in kinds)
        return Notifications.model_validate(
            {
                "total": sum(kind["total"] for kind in kinds),
                "delivered_share": round(sent / ended, 4) if ended else None,
                "recipients": people["recipients"] if people else 0,
                "kinds": kinds,
                "computed_at": datetime.now(UTC),
            }
        )

    return await _kept(services, "notifications", (NOTIFICATIONS,), compute)


async def _kept(
    services: Services, name: str, tags: tuple[str, ...], compute: Callable[[], Awaitable[BaseModel]]
) -> Response:
    """The figures from Valkey, or computed and put there. Called by a route, so only after the caller was let in."""
    cache = services.cache
    lookup: Lookup | None = None
    if cache.enabled:
        with contextlib.suppress(ValkeyDownError):
            lookup = await cache.look_up(f"metrics:{name}", tags)

    async def answer() -> Answer:
        return Answer(200, (), (await compute()).model_dump_json().encode(), may_be_stored=True)

    word, found = await single_flight.answer(cache, lookup, answer)
    return Response(found.body, media_type="application/json", headers={"X-Cache": word, "Cache-Control": "no-store"})
