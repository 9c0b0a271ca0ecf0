"""Reviews: of one deal, of all deals, and new ones."""

from fastapi import APIRouter, HTTPException, Response

from dealradar.auth import CallerDep
from dealradar.cache_store import REVIEWS
from dealradar.schemas import (
    Id,
    Limit,
    ListedReview,
    ListedReviewPage,
    NewReview,
    Offset,
    RatedDeal,
    Review,
    ReviewPage,
)
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api", tags=["reviews"])

_OF_DEAL = """
    SELECT r.id, r.deal_id, u.display_name AS author, r.rating, r.title, r.body, r.created_at
      FROM reviews r JOIN users u ON u.id = r.author_id
     WHERE r.deal_id = %s ORDER BY r.created_at DESC, r.id DESC LIMIT %s OFFSET %s
"""
_COUNT_OF_DEAL = """
    SELECT (SELECT count(*) FROM reviews r WHERE r.deal_id = d.id) AS total FROM deals d WHERE d.id = %s
"""
_NEWEST = """
    WITH rated AS (
        SELECT deal_id, count(*) AS review_count, round(avg(rating), 2)::float8 AS average_rating,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY rating) AS median_rating,
               array[count(*) FILTER (WHERE rating = 1), count(*) FILTER (WHERE rating = 2),
                     count(*) FILTER (WHERE rating = 3), count(*) FILTER (WHERE rating = 4),
                     count(*) FILTER (WHERE rating = 5)] AS distribution,
               rank() OVER (ORDER BY avg(rating) DESC) AS rank
          FROM reviews GROUP BY deal_id)
    SELECT r.id, r.deal_id, u.display_name AS author, r.rating, r.title, r.body, r.created_at, d.title AS deal_title,
           rated.review_count, rated.average_rating, rated.median_rating, rated.distribution, rated.rank
      FROM reviews r
      JOIN users u ON u.id = r.author_id
      JOIN deals d ON d.id = r.deal_id
      JOIN rated ON rated.deal_id = r.deal_id
     ORDER BY r.created_at DESC, r.id DESC LIMIT %s OFFSET %s
"""
_CREATE = """
    WITH created AS (
        INSERT INTO reviews (deal_id, author_id, rating, title, body)
        SELECT d.id, %(author)s, %(rating)s, %(title)s, %(body)s FROM deals d WHERE d.id = %(deal)s
        RETURNING *)
    SELECT r.id, r.deal_id, u.display_name AS author, r.rating, r.title, r.body, r.created_at
      FROM created r JOIN users u ON u.id = r.author_id
"""
_RATED_FIELDS = ("review_count", "average_rating", "median_rating", "distribution", "rank")


@router.get("/reviews")
async def index(services: ServicesDep, limit: Limit = 20, offset: Offset = 0) -> ListedReviewPage:
    """List the newest reviews of all deals, each with how its deal is rated."""
    rows = await services.database.all(_NEWEST, [limit, offset])
    counted = await services.database.one("SELECT count(*) AS total FROM reviews")
    items = []
    for row in rows:
        deal = RatedDeal(title=row.pop("deal_title"), **{name: row.pop(name) for name in _RATED_FIELDS})
        items.append(ListedReview(**row, deal=deal))
    return ListedReviewPage(items=items, total=counted["total"] if counted else 0, limit=limit, offset=offset)


@router.get("/deals/{deal_id}/reviews", responses={404: {"description": "There is no such deal"}})
async def of_deal(services: ServicesDep, deal_id: Id, limit: Limit = 20, offset: Offset = 0) -> ReviewPage:
    """List the reviews of one deal, newest first."""
    counted = await services.database.one(_COUNT_OF_DEAL, [deal_id])
    if counted is None:
        raise HTTPException(404, "There is no such deal.")
    rows = await services.database.all(_OF_DEAL, [deal_id, limit, offset])
    return ReviewPage(items=[Review(**row) for row in rows], total=counted["total"], limit=limit, offset=offset)


@router.post(
    "/deals/{deal_id}/reviews",
    status_code=201,
    responses={401: {"description": "No valid token"}, 404: {"description": "There is no such deal"}},
)
async def create(services: ServicesDep, caller: CallerDep, deal_id: Id, given: NewReview, response: Response) -> Review:
    """Review a deal."""
    created = await services.database.one(_CREATE, {**given.model_dump(), "author": caller.user_id, "deal": deal_id})
    if created is None:
        raise HTTPException(404, "There is no such deal.")
    await services.cache.invalidate(REVIEWS)
    response.headers["Location"] = f"/api/deals/{deal_id}/reviews"
    return Review(**created)
