"""Deals: list, read, create, change, delete, and how their prices went."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Header, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict

from dealradar.auth import FOR_OPERATORS, CallerDep, OperatorDep
from dealradar.cache_store import COMMENTS, DEALS, NOTIFICATIONS, REVIEWS
from dealradar.conditional import entity_tag
from dealradar.database import Connection, Database
from dealradar.idempotency import CREATED, Created, CreationDep
from dealradar.keyset import HUNDREDTHS, WHOLE, Listing, Order, Page, Part, PartQuery
from dealradar.pricing import change_price
from dealradar.schemas import NO_NUL, Cents, Id, Input, Prose, Slug, Title
from dealradar.state import ServicesDep

NO_DEAL = "There is no such deal."
MISSING: dict[int | str, dict[str, object]] = {404: {"description": NO_DEAL}}

router = APIRouter(prefix="/api/deals", tags=["deals"])


class Deal(BaseModel):
    """A deal as it is listed and read. Prices are in cents of euro; average_rating is null without reviews."""

    id: int
    title: str
    description: str
    merchant: str
    merchant_slug: str
    category: str
    price_cents: int
    list_price_cents: int
    review_count: int
    average_rating: float | None
    comment_count: int
    created_at: datetime


class NewDeal(Input):
    """A deal to be created; merchant and category by their slugs."""

    title: Title
    description: Prose
    merchant: Annotated[Slug, Field(examples=["merchant-1"])]
    category: Annotated[Slug, Field(examples=["audio"])]
    price_cents: Annotated[Cents, Field(examples=[7_999])]
    list_price_cents: Annotated[Cents, Field(examples=[12_999])]


class DealChange(TypedDict, total=False):
    """What is to be another; what is not named stays."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]  # pydantic's way with these

    title: Title
    description: Prose
    price_cents: Cents
    list_price_cents: Cents


class Price(BaseModel):
    """One price that a deal has had since `changed_at`; old_cents is null for its first."""

    id: int
    old_cents: int | None
    price_cents: int
    source: Literal["created", "edited", "imported"]
    changed_at: datetime


class DealQuery(Part):
    """Which deals, in which order, and which part of them."""

    category: Annotated[Slug | None, Field(description="Only deals of the category with this slug")] = None
    merchant: Annotated[Slug | None, Field(description="Only deals of the merchant with this slug")] = None
    min_price: Annotated[Cents | None, Field(description="Only deals that cost at least as many cents")] = None
    max_price: Annotated[Cents | None, Field(description="Only deals that cost at most as many cents")] = None
    q: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)] | None,
        Field(description='Only deals with these words in title or description; "a phrase", or, -without'),
    ] = None
    sort: Literal["newest", "price", "-price", "rating", "discount"] = "newest"


_COLUMNS = """d.id, d.title, d.description, m.name AS merchant, m.slug AS merchant_slug, c.slug AS category,
    d.price_cents, d.list_price_cents, d.review_count, CASE WHEN d.review_count > 0 THEN d.rating END AS average_rating,
    d.comment_count, d.created_at"""
_TABLES = "deals d JOIN merchants m ON m.id = d.merchant_id JOIN categories c ON c.id = d.category_id"
_ORDERS = {
    "newest": Order("deals", "d.created_at", "d.id"),
    "price": Order("cheapest", "d.price_cents", "d.id", WHOLE, "ASC"),
    "-price": Order("dearest", "d.price_cents", "d.id", WHOLE),
    "rating": Order("best", "d.rating", "d.id", HUNDREDTHS),
    "discount": Order("discount", "d.discount_bp", "d.id", WHOLE),
}
# Only what is asked for stands in the query, so that the planner sees which index serves it. The words are lower-cased
# as those of the column are.
_FILTERS = {
    "category": "d.category_id = (SELECT id FROM categories WHERE slug = %(category)s)",
    "merchant": "d.merchant_id = (SELECT id FROM merchants WHERE slug = %(merchant)s)",
    "min_price": "d.price_cents >= %(min_price)s",
    "max_price": "d.price_cents <= %(max_price)s",
    "q": "d.search @@ websearch_to_tsquery('simple', lower(%(q)s::text COLLATE pg_c_utf8))",
}
_READ = f"SELECT {_COLUMNS} FROM {_TABLES} WHERE d.id = %s"  # noqa: S608  constants
_CREATE = """
    WITH created AS (
        INSERT INTO deals (title, description, merchant_id, category_id, author_id, price_cents, list_price_cents)
        SELECT %(title)s, %(description)s, m.id, c.id, %(author)s, %(price_cents)s, %(list_price_cents)s
          FROM merchants m, categories c WHERE m.slug = %(merchant)s AND c.slug = %(category)s
        RETURNING id, price_cents)
    INSERT INTO price_history (deal_id, price_cents, source) SELECT id, price_cents, 'created' FROM created
    RETURNING deal_id AS id
"""
_HOLD = "SELECT author_id, title, description, price_cents, list_price_cents FROM deals WHERE id = %s FOR UPDATE"
_EDIT = """
    UPDATE deals SET title = %(title)s, description = %(description)s,
           list_price_cents = greatest(%(list_price_cents)s, price_cents)
     WHERE id = %(id)s
"""
_DELETE = "DELETE FROM deals WHERE id = %s RETURNING id"
_PRICES = Listing(
    Page[Price],
    "id, old_cents, price_cents, source, changed_at",
    "price_history",
    "SELECT (SELECT count(*) FROM price_history WHERE deal_id = d.id) AS total FROM deals d WHERE d.id = %(deal)s",
    ("deal_id = %(deal)s",),
)
_NEWEST_PRICE = Order("prices", "changed_at", "id")


async def list_deals(database: Database, query: DealQuery) -> Page[Deal]:
    """The part of the deals that is asked for. Raises HTTPException for a cursor of another sort."""
    params = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
    conditions = [_FILTERS[name] for name in params]
    count = f"SELECT count(*) AS total FROM deals d WHERE {' AND '.join(conditions) or 'true'}"  # noqa: S608
    listing = Listing(Page[Deal], _COLUMNS, _TABLES, count, conditions)
    return await listing.page(database, _ORDERS[query.sort], query, **params)


@router.get("")
async def index(services: ServicesDep, query: Annotated[DealQuery, Query()]) -> Page[Deal]:
    """List deals. A cursor goes on with the list of its own sort and no other."""
    return await list_deals(services.database, query)


@router.get("/{deal_id}", responses=MISSING)
async def read(services: ServicesDep, deal_id: Id) -> Deal:
    """Read one deal."""
    row = await services.database.one(_READ, [deal_id])
    if row is None:
        raise HTTPException(404, NO_DEAL)
    return Deal(**row)


@router.get("/{deal_id}/prices", responses=MISSING)
async def prices(services: ServicesDep, deal_id: Id, part: PartQuery) -> Page[Price]:
    """List the prices that a deal has had, newest first."""
    return await _PRICES.page(services.database, _NEWEST_PRICE, part, deal=deal_id)


@router.post(
    "",
    status_code=201,
    response_model=Deal,
    responses={**CREATED, 409: {"description": "No such merchant or category, or a price above the list price"}},
)
async def create(creation: CreationDep, given: NewDeal) -> Response:
    """Create a deal; the Location header names it.

    Repeated with its `Idempotency-Key` it creates nothing more; a key of another request is refused (422).
    """

    async def work(connection: Connection) -> Created:
        if given.price_cents > given.list_price_cents:
            raise HTTPException(409, "The price is above the list price.")
        params = {**given.model_dump(), "author": creation.user_id}
        created = await (await connection.execute(_CREATE, params)).fetchone()
        if created is None:
            raise HTTPException(409, "There is no such merchant or no such category.")
        return Created(f"/api/deals/{created['id']}", await _present(connection, created["id"]))

    return await creation.answer(work, DEALS)


@router.patch(
    "/{deal_id}",
    responses={
        **MISSING,
        403: {"description": "Neither the author nor an operator"},
        409: {"description": "The price would be above the list price"},
        412: {"description": "The deal is no longer the one that If-Match names"},
    },
)
async def change(
    services: ServicesDep,
    caller: CallerDep,
    deal_id: Id,
    given: Annotated[DealChange, Body()],
    # Documented in words: no schema can say which tags are current.
    if_match: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Deal:
    """Change a deal: its author may, and operators. Another price goes into its history, and to those who watch it.

    With `If-Match`, only if the deal still has that ETag.
    """

    async def work(connection: Connection) -> Deal:
        held = await (await connection.execute(_HOLD, [deal_id])).fetchone()
        if held is None:
            raise HTTPException(404, NO_DEAL)
        if caller.user_id != held["author_id"] and caller.role != "operator":
            raise HTTPException(403, "Only its author and operators may change a deal.")
        if if_match is not None and not _is_named(await _present(connection, deal_id), if_match):
            raise HTTPException(412, "The deal has changed since.")
        wanted = {**held, **given, "id": deal_id}
        if wanted["price_cents"] > wanted["list_price_cents"]:
            raise HTTPException(409, "The price would be above the list price.")
        # Twice: the list price makes room before the price rises, and comes down only after it.
        await connection.execute(_EDIT, wanted)
        minutes = services.settings.notify_dedup_minutes
        await change_price(connection, deal_id, wanted["price_cents"], "edited", dedup_minutes=minutes)
        await connection.execute(_EDIT, wanted)
        return await _present(connection, deal_id)

    changed = await services.database.within(work)
    await services.cache.invalidate(DEALS, NOTIFICATIONS)
    return changed


@router.delete("/{deal_id}", status_code=204, responses={**MISSING, **FOR_OPERATORS})
async def delete(services: ServicesDep, _: OperatorDep, deal_id: Id) -> None:
    """Delete a deal with all that was said about it. Operators only."""
    if await services.database.one(_DELETE, [deal_id]) is None:
        raise HTTPException(404, NO_DEAL)
    await services.cache.invalidate(DEALS, REVIEWS, COMMENTS, NOTIFICATIONS)


def _is_named(deal: Deal, if_match: str) -> bool:
    """Compared strongly (RFC 9110, 13.1.1): a tag that was weakened on its way names nothing."""
    tag = entity_tag(deal.model_dump_json().encode())
    return if_match.strip() == "*" or tag in re.findall(r'(?:W/)?"[^"]*"', if_match)


async def _present(connection: Connection, deal_id: int) -> Deal:
    """A deal that the transaction knows to be there."""
    row = await (await connection.execute(_READ, [deal_id])).fetchone()
    return Deal.model_validate(row)
