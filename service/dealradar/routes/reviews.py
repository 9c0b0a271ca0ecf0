"""Reviews: of one deal, of all deals, new ones, and how helpful readers find them."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, Field

from dealradar.auth import CallerDep
from dealradar.cache_store import NOTIFICATIONS, REVIEWS
from dealradar.database import Connection
from dealradar.idempotency import CREATED, Created, CreationDep
from dealradar.keyset import WHOLE, Listing, Order, Page, Part, PartQuery
from dealradar.outbox import reviewed
from dealradar.routes.deals import MISSING, NO_DEAL
from dealradar.schemas import Id, Input, Prose, Title, Whole
from dealradar.state import SWITCHED_OFF, ServicesDep, demand_flag

router = APIRouter(prefix="/api", tags=["reviews"])


class Review(BaseModel):
    """One review, and how many readers found it helpful."""

    id: int
    deal_id: int
    author: str
    rating: Annotated[int, Field(ge=1, le=5)]
    title: str
    body: str
    helpful_count: int
    created_at: datetime


class RatedDeal(BaseModel):
    """The rating of a deal: how many reviews, their mean and median, the counts of 1 to 5, the place by mean."""

    title: str
    review_count: int
    average_rating: float
    median_rating: float
    distribution: list[int]
    rank: int


class ListedReview(Review):
    """A review in the list of all, with how its deal is rated over all."""

    deal: RatedDeal


class NewReview(Input):
    """A review to be created."""

    rating: Annotated[int, Field(ge=1, le=5), Whole]
    title: Title
    body: Prose


class Vote(Input):
    """Whether a review was helpful."""

    is_helpful: bool


class ReviewQuery(Part):
    """Which part of a deal's reviews, and in which order."""

    sort: Literal["newest", "helpful"] = "newest"


_COLUMNS = "r.id, r.deal_id, u.display_name AS author, r.rating, r.title, r.body, r.helpful_count, r.created_at"
_TABLES = "reviews r JOIN users u ON u.id = r.author_id"
_OF_DEAL = Listing(
    Page[Review],
    _COLUMNS,
    _TABLES,
    "SELECT review_count AS total FROM deals WHERE id = %(deal)s",
    ("r.deal_id = %(deal)s",),
)
_ORDERS = {
    "newest": Order("reviews", "r.created_at", "r.id"),
    "helpful": Order("helpful", "r.helpful_count", "r.id", WHOLE),
}
_OF_ALL = Listing(
    Page[ListedReview],
    f"""{_COLUMNS}, (
    SELECT jsonb_build_object('title', d.title, 'review_count', d.review_count, 'average_rating', d.rating,
           'median_rating', percentile_cont(0.5) WITHIN GROUP (ORDER BY o.rating),
           'distribution', array[count(*) FILTER (WHERE o.rating = 1), count(*) FILTER (WHERE o.rating = 2),
                                 count(*) FILTER (WHERE o.rating = 3), count(*) FILTER (WHERE o.rating = 4),
                                 count(*) FILTER (WHERE o.rating = 5)],
           'rank', (SELECT count(*) + 1 FROM deals better WHERE better.rating > d.rating))
      FROM deals d JOIN reviews o ON o.deal_id = d.id WHERE d.id = r.deal_id GROUP BY d.id) AS deal""",  # noqa: S608  constants
    _TABLES,
    "SELECT coalesce(sum(review_count), 0)::bigint AS total FROM deals",
)
_CREATE = f"""
    WITH counted AS (
        UPDATE deals SET review_count = review_count + 1, rating_sum = rating_sum + %(rating)s
         WHERE id = %(deal)s RETURNING id),
    r AS (
        INSERT INTO reviews (deal_id, author_id, rating, title, body)
        SELECT id, %(author)s, %(rating)s, %(title)s, %(body)s FROM counted RETURNING *)
    SELECT {_COLUMNS} FROM r JOIN users u ON u.id = r.author_id
"""  # noqa: S608  constants
# A statement sees the data as it was when it began. So one of its own locks the review before: the next then sees the
# vote of whoever held it, and counts the difference.
_HOLD = "SELECT author_id FROM reviews WHERE id = %s FOR UPDATE"
_VOTE = """
    WITH before AS (SELECT count(*) AS n FROM review_votes
                     WHERE review_id = %(review)s AND user_id = %(user)s AND is_helpful),
    vote AS (
        INSERT INTO review_votes (review_id, user_id, is_helpful) VALUES (%(review)s, %(user)s, %(is_helpful)s)
        ON CONFLICT (review_id, user_id) DO UPDATE SET is_helpful = excluded.is_helpful)
    UPDATE reviews SET helpful_count = helpful_count + %(is_helpful)s::boolean::int - before.n
      FROM before WHERE id = %(review)s
"""
_WITHDRAW = """
    WITH vote AS (DELETE FROM review_votes WHERE review_id = %(review)s AND user_id = %(user)s RETURNING is_helpful)
    UPDATE reviews SET helpful_count = helpful_count - 1 FROM vote WHERE id = %(review)s AND vote.is_helpful
"""


@router.get("/reviews")
async def index(services: ServicesDep, part: PartQuery) -> Page[ListedReview]:
    """List the newest reviews of all deals, each with how its deal is rated."""
    return await _OF_ALL.page(services.database, _ORDERS["newest"], part)


@router.get("/deals/{deal_id}/reviews", responses=MISSING)
async def of_deal(services: ServicesDep, deal_id: Id, query: Annotated[ReviewQuery, Query()]) -> Page[Review]:
    """List the reviews of one deal, the newest or the most helpful first."""
    return await _OF_DEAL.page(services.database, _ORDERS[query.sort], query, deal=deal_id)


@router.post(
    "/deals/{deal_id}/reviews",
    status_code=201,
    response_model=Review,
    responses={**CREATED, **MISSING, **SWITCHED_OFF},
)
async def create(creation: CreationDep, deal_id: Id, given: NewReview) -> Response:
    """Review a deal; its author is told.

    Repeated with its `Idempotency-Key` it creates nothing more; a key of another request is refused (422).
    """
    await demand_flag(creation.services, "feedback")

    async def work(connection: Connection) -> Created:
        params = {**given.model_dump(), "author": creation.user_id, "deal": deal_id}
        created = await (await connection.execute(_CREATE, params)).fetchone()
        if created is None:
            raise HTTPException(404, NO_DEAL)
        minutes = creation.services.settings.notify_dedup_minutes
        await reviewed(connection, created["id"], dedup_minutes=minutes)
        return Created(f"/api/deals/{deal_id}/reviews", Review(**created))

    return await creation.answer(work, REVIEWS, NOTIFICATIONS)


_VOTING: dict[int | str, dict[str, object]] = {
    404: {"description": "There is no such review"},
    409: {"description": "The review is the caller's own"},
}


@router.put("/reviews/{review_id}/vote", status_code=204, responses=_VOTING)
async def vote(services: ServicesDep, caller: CallerDep, review_id: Id, given: Vote) -> None:
    """Say whether somebody else's review was helpful; a second vote replaces the first."""
    await _count(services, caller.user_id, review_id, given.is_helpful)


@router.delete("/reviews/{review_id}/vote", status_code=204, responses=_VOTING)
async def withdraw(services: ServicesDep, caller: CallerDep, review_id: Id) -> None:
    """Take one's vote back, if there is one."""
    await _count(services, caller.user_id, review_id, None)


async def _count(services: ServicesDep, user_id: int, review_id: int, is_helpful: bool | None) -> None:  # noqa: FBT001  tri-state
    async def work(connection: Connection) -> None:
        held = await (await connection.execute(_HOLD, [review_id])).fetchone()
        if held is None:
            raise HTTPException(404, "There is no such review.")
        if held["author_id"] == user_id:
            raise HTTPException(409, "A review of one's own takes no vote.")
        params = {"review": review_id, "user": user_id, "is_helpful": is_helpful}
        await connection.execute(_WITHDRAW if is_helpful is None else _VOTE, params)

    await services.database.within(work)
    await services.cache.invalidate(REVIEWS)
