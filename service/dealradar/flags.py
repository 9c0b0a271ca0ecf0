"""Switches that operators turn while the service runs; every instance follows within a second."""

import time
from dataclasses import dataclass
from datetime import datetime

from dealradar.database import Database, DatabaseDownError

FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Flag:
    """What a switch is for; `is_on` while nobody has turned it."""

    name: str
    what: str
    is_on: bool = True


FLAGS = {
    flag.name: flag
    for flag in (
        Flag("registration", "new accounts can be made"),
        Flag("feedback", "reviews and comments can be written"),
        Flag("mail", "workers send notifications; while it is off they wait"),
    )
}


class Flags:
    """The switches as one process knows them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turned: dict[str, bool] = {}
        self._read_at = float("-inf")

    async def is_on(self, name: str) -> bool:
        """Whether a switch is on. While the database is away, as it was last known."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            # First, so that of many requests one reads.
            self._read_at = time.monotonic()
            try:
                rows = await self._database.all("SELECT name, is_on FROM feature_flags")
            except DatabaseDownError:
                rows = []
            self._turned.update({row["name"]: row["is_on"] for row in rows})
        return self._turned.get(name, FLAGS[name].is_on)

    async def turned(self) -> dict[str, tuple[bool, datetime]]:
        """Every switch that somebody turned, and when. Raises DatabaseDownError."""
        rows = await self._database.all("SELECT name, is_on, changed_at FROM feature_flags")
        return {row["name"]: (row["is_on"], row["changed_at"]) for row in rows}

    async def turn(self, name: str, by: int, *, is_on: bool) -> None:
        """Turn a switch for all instances. Raises DatabaseDownError."""
        await self._database.one(
            "INSERT INTO feature_flags (name, is_on, changed_by) VALUES (%s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on, changed_by = excluded.changed_by,"
            " changed_at = now() RETURNING name",
            [name, is_on, by],
        )
        self._turned[name] = is_on
