"""The shapes of the API: what is accepted, and what is promised."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints


def _whole(value: object) -> object:
    # To JSON Schema 3.0 is an integer like 3; strict mode alone would refuse it.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
# What is not allowed is written as a pattern, so that the OpenAPI document says it too. PostgreSQL cannot hold U+0000.
NO_NUL = r"^[^\x00]*$"
_SOMETHING_VISIBLE = r"^[^\x00]*[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u3000\ufeff][^\x00]*$"
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_SOMETHING_VISIBLE)]
Prose = Annotated[str, StringConstraints(min_length=1, max_length=5_000, pattern=_SOMETHING_VISIBLE)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")]
Cents = Annotated[int, Field(ge=0, le=100_000_000), Whole]

# Beyond this, JSON's readers no longer agree on a number (RFC 8259, section 6).
LARGEST_ID = 2**53 - 1
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many items to return")]
Offset = Annotated[int, Query(ge=0, le=100_000, description="How many items to skip")]


class Input(BaseModel):
    """A body that is taken: no member that is not described, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """A problem document, RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] | None = None


class Rated(BaseModel):
    """What the reviews of a deal come to; average_rating is null while there are none."""

    review_count: int
    average_rating: float | None


class Deal(Rated):
    """A deal as it is listed and read. Prices are in cents of euro."""

    id: int
    title: str
    description: str
    merchant: str
    category: str
    price_cents: int
    list_price_cents: int
    comment_count: int
    created_at: datetime


class NewDeal(Input):
    """A deal to be created; merchant and category by their slugs."""

    title: Title
    description: Prose
    merchant: Slug
    category: Slug
    price_cents: Cents
    list_price_cents: Cents


class Review(BaseModel):
    """One review."""

    id: int
    deal_id: int
    author: str
    rating: Annotated[int, Field(ge=1, le=5)]
    title: str
    body: str
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


class NewComment(Input):
    """A comment to be created."""

    body: Prose
    parent_id: Annotated[int, Field(ge=1, le=LARGEST_ID), Whole] | None = None


class DealPage(BaseModel):
    """A part of a list, and how long the list is."""

    items: list[Deal]
    total: int
    limit: int
    offset: int


class ReviewPage(BaseModel):
    """Reviews of one deal."""

    items: list[Review]
    total: int
    limit: int
    offset: int


class ListedReviewPage(BaseModel):
    """Reviews of all deals."""

    items: list[ListedReview]
    total: int
    limit: int
    offset: int


class CommentPage(BaseModel):
    """Comments on one deal."""

    items: list[Comment]
    total: int
    limit: int
    offset: int


class ListedCommentPage(BaseModel):
    """Comments on all deals."""

    items: list[ListedComment]
    total: int
    limit: int
    offset: int
