"""Comments: on one deal, on all deals, and new ones."""

from fastapi import APIRouter, HTTPException, Response

from dealradar.auth import CallerDep
from dealradar.cache_store import COMMENTS
from dealradar.schemas import Comment, CommentPage, Id, Limit, ListedComment, ListedCommentPage, NewComment, Offset
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api", tags=["comments"])

_OF_DEAL = """
    SELECT k.id, k.deal_id, k.parent_id, u.display_name AS author, k.body, k.created_at
      FROM comments k JOIN users u ON u.id = k.author_id
     WHERE k.deal_id = %s ORDER BY k.created_at DESC, k.id DESC LIMIT %s OFFSET %s
"""
_COUNT_OF_DEAL = """
    SELECT (SELECT count(*) FROM comments k WHERE k.deal_id = d.id) AS total FROM deals d WHERE d.id = %s
"""
_NEWEST = """
    WITH by_deal AS (SELECT deal_id, count(*) AS n FROM comments GROUP BY deal_id),
         by_author AS (SELECT author_id, count(*) AS n FROM comments GROUP BY author_id)
    SELECT k.id, k.deal_id, k.parent_id, u.display_name AS author, k.body, k.created_at, d.title AS deal_title,
           by_deal.n AS deal_comment_count, by_author.n AS author_comment_count,
           (SELECT count(*) FROM comments WHERE parent_id = k.id) AS reply_count
      FROM comments k
      JOIN users u ON u.id = k.author_id
      JOIN deals d ON d.id = k.deal_id
      JOIN by_deal ON by_deal.deal_id = k.deal_id
      JOIN by_author ON by_author.author_id = k.author_id
     ORDER BY k.created_at DESC, k.id DESC LIMIT %s OFFSET %s
"""
_CREATE = """
    WITH created AS (
        INSERT INTO comments (deal_id, parent_id, author_id, body)
        SELECT d.id, p.id, %(author)s, %(body)s
          FROM deals d LEFT JOIN comments p ON p.id = %(parent_id)s AND p.deal_id = d.id
         WHERE d.id = %(deal)s AND (%(parent_id)s::bigint IS NULL OR p.id IS NOT NULL)
        RETURNING *)
    SELECT k.id, k.deal_id, k.parent_id, u.display_name AS author, k.body, k.created_at
      FROM created k JOIN users u ON u.id = k.author_id
"""


@router.get("/comments")
async def index(services: ServicesDep, limit: Limit = 20, offset: Offset = 0) -> ListedCommentPage:
    """List the newest comments on all deals, each with how lively its deal, its author and its thread are."""
    rows = await services.database.all(_NEWEST, [limit, offset])
    counted = await services.database.one("SELECT count(*) AS total FROM comments")
    items = [ListedComment(**row) for row in rows]
    return ListedCommentPage(items=items, total=counted["total"] if counted else 0, limit=limit, offset=offset)


@router.get("/deals/{deal_id}/comments", responses={404: {"description": "There is no such deal"}})
async def of_deal(services: ServicesDep, deal_id: Id, limit: Limit = 20, offset: Offset = 0) -> CommentPage:
    """List the comments on one deal, newest first."""
    counted = await services.database.one(_COUNT_OF_DEAL, [deal_id])
    if counted is None:
        raise HTTPException(404, "There is no such deal.")
    rows = await services.database.all(_OF_DEAL, [deal_id, limit, offset])
    return CommentPage(items=[Comment(**row) for row in rows], total=counted["total"], limit=limit, offset=offset)


@router.post(
    "/deals/{deal_id}/comments",
    status_code=201,
    responses={
        401: {"description": "No valid token"},
        404: {"description": "There is no such deal"},
        409: {"description": "parent_id is no comment on this deal"},
    },
)
async def create(
    services: ServicesDep, caller: CallerDep, deal_id: Id, given: NewComment, response: Response
) -> Comment:
    """Comment on a deal, or answer another comment on it."""
    created = await services.database.one(_CREATE, {**given.model_dump(), "author": caller.user_id, "deal": deal_id})
    if created is None:
        if await services.database.one(_COUNT_OF_DEAL, [deal_id]):
            raise HTTPException(409, "The comment to answer is not one on this deal.")
        raise HTTPException(404, "There is no such deal.")
    await services.cache.invalidate(COMMENTS)
    response.headers["Location"] = f"/api/deals/{deal_id}/comments"
    return Comment(**created)
