"""The shapes of the API: what is accepted, and what is promised."""

from typing import Annotated

from fastapi import Path
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
