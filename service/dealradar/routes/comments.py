"""Comments: on one deal, on all deals, as threads, and new ones."""

from datetime import datetime
from typing import Annotated

import psycopg
from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, Field

from dealradar.cache_store import COMMENTS, NOTIFICATIONS
from dealradar.database import Connection
from dealradar.idempotency import CREATED, Created, CreationDep
from dealradar.keyset import Listing, Order, Page, PartQuery
from dealradar.outbox import replied
from dealradar.routes.deals import MISSING, NO_DEAL
from dealradar.schemas import LARGEST_ID, Id, Input, Prose, Whole
from dealradar.state import SWITCHED_OFF, ServicesDep, demand_flag

DEEPEST_REPLY = 20
MOST_IN_THREAD = 200

router = APIRouter(prefix="/api", tags=["comments"])


class Comment(BaseModel):
    """One comment; parent_id is that of the comment that it answers."""

    id: int
    deal_id: int
    parent_id: int | None
    author: str
    body: str
    created_at: datetime


class ListedComment(Comment):
    """A comment in the list of all, with how lively its deal and its author are."""

    deal_title: str
    deal_comment_count: int
    author_comment_count: int
    reply_count: int


class Thread(Comment):
    """A comment with its replies, oldest first. Where reply_count is more than they are, the rest was left out."""

    reply_count: int
    replies: list["Thread"] = []


class NewComment(Input):
    """A comment to be created."""

    body: Prose
    parent_id: Annotated[int, Field(ge=1, le=LARGEST_ID), Whole] | None = None


_COLUMNS = "k.id, k.deal_id, k.parent_id, u.display_name AS author, k.body, k.created_at"
_REPLY_COUNT = "(SELECT count(*) FROM comments o WHERE o.parent_id = k.id) AS reply_count"
_TABLES = "comments k JOIN users u ON u.id = k.author_id"
_OF_DEAL = Listing(
    Page[Comment],
    _COLUMNS,
    _TABLES,
    "SELECT comment_count AS total FROM deals WHERE id = %(deal)s",
    ("k.deal_id = %(deal)s",),
)
_OF_ALL = Listing(
    Page[ListedComment],
    f"""{_COLUMNS}, d.title AS deal_title, d.comment_count AS deal_comment_count,
    (SELECT count(*) FROM comments o WHERE o.author_id = k.author_id) AS author_comment_count, {_REPLY_COUNT}""",  # noqa: S608  constants
    f"{_TABLES} JOIN deals d ON d.id = k.deal_id",
    "SELECT coalesce(sum(comment_count), 0)::bigint AS total FROM deals",
)
_NEWEST = Order("comments", "k.created_at", "k.id")
# Level by level, so that what the bound leaves out are the deepest replies, and no reply comes without its parent.
_THREAD = f"""
    WITH RECURSIVE thread (id, depth) AS (
        SELECT id, 0 FROM comments WHERE id = %(comment)s
        UNION ALL
        SELECT k.id, t.depth + 1 FROM thread t JOIN comments k ON k.parent_id = t.id WHERE t.depth < %(depth)s),
    kept AS MATERIALIZED (SELECT id, depth FROM thread LIMIT %(most)s)
    SELECT {_COLUMNS}, {_REPLY_COUNT} FROM kept JOIN {_TABLES.replace("JOIN", "ON k.id = kept.id JOIN", 1)}
     ORDER BY kept.depth, k.created_at, k.id
"""  # noqa: S608
_CREATE = f"""
    WITH counted AS (UPDATE deals SET comment_count = comment_count + 1 WHERE id = %(deal)s RETURNING id),
    k AS (
        INSERT INTO comments (deal_id, parent_id, author_id, body)
        SELECT id, %(parent_id)s, %(author)s, %(body)s FROM counted RETURNING *)
    SELECT {_COLUMNS} FROM k JOIN users u ON u.id = k.author_id
"""  # noqa: S608


@router.get("/comments")
async def index(services: ServicesDep, part: PartQuery) -> Page[ListedComment]:
    """List the newest comments on all deals, each with how lively its deal, its author and its thread are."""
    return await _OF_ALL.page(services.database, _NEWEST, part)


@router.get("/deals/{deal_id}/comments", responses=MISSING)
async def of_deal(services: ServicesDep, deal_id: Id, part: PartQuery) -> Page[Comment]:
    """List the comments on one deal, newest first."""
    return await _OF_DEAL.page(services.database, _NEWEST, part, deal=deal_id)


@router.get("/comments/{comment_id}/thread", responses={404: {"description": "There is no such comment"}})
async def thread(services: ServicesDep, comment_id: Id) -> Thread:
    """Read a comment with the replies to it, and theirs: at most 200 comments, 20 levels deep."""
    rows = await services.database.all(_THREAD, {"comment": comment_id, "depth": DEEPEST_REPLY, "most": MOST_IN_THREAD})
    if not rows:
        raise HTTPException(404, "There is no such comment.")
    root, *replies = (Thread(**row) for row in rows)
    known = {root.id: root}
    for reply in replies:
        known[reply.id] = reply
        known[reply.parent_id or 0].replies.append(reply)
    return root


@router.post(
    "/deals/{deal_id}/comments",
    status_code=201,
    response_model=Comment,
    responses={**CREATED, **MISSING, **SWITCHED_OFF, 409: {"description": "parent_id is no comment on this deal"}},
)
async def create(creation: CreationDep, deal_id: Id, given: NewComment) -> Response:
    """Comment on a deal, or answer another comment on it; the author of that one is told.

    Repeated with its `Idempotency-Key` it creates nothing more; a key of another request is refused (422).
    """
    await demand_flag(creation.services, "feedback")

    async def work(connection: Connection) -> Created:
        params = {**given.model_dump(), "author": creation.user_id, "deal": deal_id}
        try:
            created = await (await connection.execute(_CREATE, params)).fetchone()
        except psycopg.errors.ForeignKeyViolation:
            raise HTTPException(409, "The comment to answer is not one on this deal.") from None
        if created is None:
            raise HTTPException(404, NO_DEAL)
        minutes = creation.services.settings.notify_dedup_minutes
        await replied(connection, created["id"], dedup_minutes=minutes)
        return Created(f"/api/deals/{deal_id}/comments", Comment(**created))

    return await creation.answer(work, COMMENTS, NOTIFICATIONS)
