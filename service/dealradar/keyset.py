"""Lists in parts that neither skip nor repeat a row, whatever is inserted between two requests (keyset pagination).

A cursor is the place of the last row that was given: `<order>.<key>.<id>`, all whole numbers, so that each string of
that form is a place in the list that it names. To clients it is opaque. It says where to go on, never what may be seen,
so nothing is gained by making one up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, LiteralString, TypeVar

from fastapi import HTTPException, Query
from pydantic import BaseModel, Field

from dealradar.database import Database, Row

Item = TypeVar("Item", bound=BaseModel)


class Part(BaseModel):
    """Which part of a list is wanted: the query of a list."""

    limit: Annotated[int, Field(ge=1, le=100, description="How many items to return")] = 20
    cursor: Annotated[
        Annotated[str, Field(pattern=r"^[a-z]{1,20}\.[0-9]{1,16}\.[0-9]{1,16}$")] | None,
        Field(description="Go on behind this place: `next` of the part before, with the same sort"),
    ] = None


PartQuery = Annotated[Part, Query()]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Page(BaseModel, Generic[Item]):
    """A part of a list. `total` is the length of the whole; `next` is the cursor of the next part, null at the end."""

    items: list[Item]
    total: int
    limit: int
    next: str | None


@dataclass(frozen=True)
class Key:
    """How the values of a sort column are written as whole numbers from 0, and read back."""

    write: Callable[[Any], int]
    read: Callable[[int], object]


WHOLE = Key(int, int)
MOMENT = Key(lambda at: (at - _EPOCH) // _MICROSECOND, lambda number: _EPOCH + number * _MICROSECOND)
HUNDREDTHS = Key(lambda value: int(value * 100), lambda number: Decimal(number) / 100)


@dataclass(frozen=True)
class Order:
    """By `column`, then by `id`, both in one direction, so that one index serves the order and the place in it.

    `name` stands in cursors and is that of no other order of the service.
    """

    name: str
    column: LiteralString
    id: LiteralString
    key: Key = MOMENT
    direction: Literal["ASC", "DESC"] = "DESC"

    def place(self, cursor: str) -> dict[str, object]:
        """What a cursor says, as parameters of the query. Raises HTTPException for one of another order.

        It is a conflict (409), like all contradictions between things that are each well-formed.
        """
        name, key, number = cursor.split(".")
        if name != self.name:
            raise HTTPException(409, "The cursor belongs to another list or another sort.")
        return {"place_key": self.key.read(int(key)), "place_id": int(number)}

    def cursor(self, row: Row) -> str:
        """The place of a row."""
        return f"{self.name}.{self.key.write(row['place_key'])}.{row['id']}"


@dataclass(frozen=True)
class Listing(Generic[Item]):
    """A query in pieces: what to select (an `id` is part of it), from which tables, under which conditions.

    `count` gives the `total` in a cheap way, and no row where that to which the list belongs is not there.
    """

    shape: type[Page[Item]]
    columns: LiteralString
    tables: LiteralString
    count: LiteralString
    conditions: Sequence[LiteralString] = ()

    async def page(self, database: Database, order: Order, part: Part, **params: object) -> Page[Item]:
        """At most `part.limit` rows behind `part.cursor`. Raises HTTPException where there is no such list (404)."""
        counted = await database.one(self.count, params)
        if counted is None:
            raise HTTPException(404, "What this list belongs to is not there.")
        conditions, values = [*self.conditions], {**params, "rows": part.limit + 1}
        if part.cursor is not None:
            values |= order.place(part.cursor)
            sign = ">" if order.direction == "ASC" else "<"
            conditions.append(f"({order.column}, {order.id}) {sign} (%(place_key)s, %(place_id)s)")
        rows = await database.all(
            f"SELECT {self.columns}, {order.column} AS place_key FROM {self.tables}"  # noqa: S608  pieces of our own
            f" WHERE {' AND '.join(conditions) or 'true'}"
            f" ORDER BY {order.column} {order.direction}, {order.id} {order.direction} LIMIT %(rows)s",
            values,
        )
        items = rows[: part.limit]
        following = order.cursor(items[-1]) if len(rows) > len(items) else None
        return self.shape.model_validate({"items": items, **counted, "limit": part.limit, "next": following})
