"""Deals: list, read, create."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import StringConstraints

from dealradar.auth import CallerDep
from dealradar.cache_store import DEALS
from dealradar.database import Database, Row
from dealradar.schemas import NO_NUL, Deal, DealPage, Id, Limit, NewDeal, Offset, Slug
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api/deals", tags=["deals"])

Sort = Literal["newest", "price", "-price", "rating", "discount"]

# lower() knows only ASCII under the C locale; pg_c_utf8 is built into PostgreSQL 17 and later and knows Unicode.
_SELECT = """
    SELECT d.id, d.title, d.description, m.name AS merchant, c.slug AS category, d.price_cents, d.list_price_cents,
           d.created_at, coalesce(r.review_count, 0) AS review_count, r.average_rating,
           (SELECT count(*) FROM comments WHERE deal_id = d.id) AS comment_count
      FROM deals d
      JOIN merchants m ON m.id = d.merchant_id
      JOIN categories c ON c.id = d.category_id
      LEFT JOIN (SELECT deal_id, count(*) AS review_count, round(avg(rating), 2)::float8 AS average_rating
                   FROM reviews GROUP BY deal_id) r ON r.deal_id = d.id
"""
_MATCHING = """
     WHERE (%(category)s::text IS NULL OR c.slug = %(category)s)
       AND (%(pattern)s::text IS NULL
            OR lower(d.title || ' ' || d.description COLLATE pg_c_utf8) LIKE lower(%(pattern)s COLLATE pg_c_utf8))
"""
_ORDER = {
    "newest": "d.created_at DESC, d.id DESC",
    "price": "d.price_cents, d.id",
    "-price": "d.price_cents DESC, d.id DESC",
    "rating": "r.average_rating DESC NULLS LAST, r.review_count DESC, d.id",
    "discount": "(d.list_price_cents - d.price_cents)::float8 / greatest(d.list_price_cents, 1) DESC, d.id",
}
_LISTS = {
    name: f"{_SELECT}{_MATCHING} ORDER BY {order} LIMIT %(limit)s OFFSET %(offset)s" for name, order in _ORDER.items()
}
_COUNT = f"SELECT count(*) AS total FROM deals d JOIN categories c ON c.id = d.category_id {_MATCHING}"  # noqa: S608
_READ = f"{_SELECT} WHERE d.id = %s"
_CREATE = """
    INSERT INTO deals (title, description, merchant_id, category_id, author_id, price_cents, list_price_cents)
    SELECT %(title)s, %(description)s, m.id, c.id, %(author)s, %(price_cents)s, %(list_price_cents)s
      FROM merchants m, categories c WHERE m.slug = %(merchant)s AND c.slug = %(category)s
    RETURNING id
"""


async def list_deals(
    database: Database, *, category: str | None, q: str | None, sort: str, limit: int, offset: int
) -> tuple[list[Row], int]:
    """A part of the deals that match, and how many match. `q` is looked for in title and description, whatever the
    case.
    """
    escaped = q and q.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    params = {"category": category, "pattern": f"%{escaped}%" if escaped else None, "limit": limit, "offset": offset}
    rows = await database.all(_LISTS[sort], params)
    if offset == 0 and len(rows) < limit:
        return rows, len(rows)
    counted = await database.one(_COUNT, params)
    return rows, counted["total"] if counted else 0


@router.get("")
async def index(
    services: ServicesDep,
    *,
    category: Annotated[Slug | None, Query(description="Only deals of the category with this slug")] = None,
    q: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)] | None,
        Query(description="Only deals whose title or description contains this"),
    ] = None,
    sort: Sort = "newest",
    limit: Limit = 20,
    offset: Offset = 0,
) -> DealPage:
    """List deals."""
    rows, total = await list_deals(services.database, category=category, q=q, sort=sort, limit=limit, offset=offset)
    return DealPage(items=[Deal(**row) for row in rows], total=total, limit=limit, offset=offset)


@router.get("/{deal_id}", responses={404: {"description": "There is no such deal"}})
async def read(services: ServicesDep, deal_id: Id) -> Deal:
    """Read one deal."""
    row = await services.database.one(_READ, [deal_id])
    if row is None:
        raise HTTPException(404, "There is no such deal.")
    return Deal(**row)


@router.post(
    "",
    status_code=201,
    responses={
        401: {"description": "No valid token"},
        409: {"description": "No such merchant or category, or a price above the list price"},
    },
)
async def create(services: ServicesDep, caller: CallerDep, given: NewDeal, response: Response) -> Deal:
    """Create a deal; the Location header names it."""
    if given.price_cents > given.list_price_cents:
        raise HTTPException(409, "The price is above the list price.")
    created = await services.database.one(_CREATE, {**given.model_dump(), "author": caller.user_id})
    if created is None:
        raise HTTPException(409, "There is no such merchant or no such category.")
    await services.cache.invalidate(DEALS)
    response.headers["Location"] = f"/api/deals/{created['id']}"
    return await read(services, created["id"])
