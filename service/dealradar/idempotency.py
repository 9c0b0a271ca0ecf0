"""`Idempotency-Key` on writes that create (draft-ietf-httpapi-idempotency-key-header): however often a client sends one
request, it is done once, and every answer is the first one.

The key is a row, inserted in the transaction of the write. A twin that comes meanwhile waits for that row, on whichever
instance it is, and then replays. What failed leaves no row behind, so the client may try again with the same key.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel, StringConstraints

from dealradar.auth import CallerDep
from dealradar.database import Connection
from dealradar.state import Services, ServicesDep

KEPT_HOURS = 24
CREATED: dict[int | str, dict[str, object]] = {
    201: {
        "description": "Created, now or by an earlier request with the same Idempotency-Key",
        "headers": {
            "Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}},
            "Idempotent-Replayed": {"schema": {"type": "string", "const": "true"}},
        },
    }
}

# A row that is over is taken as if it were not there. One that is not stays locked: the clean-up cannot take it away.
_TAKE = """
    INSERT INTO idempotency_keys (user_id, key, request_hash, status, body, expires_at)
    VALUES (%(user)s, %(key)s, %(hash)s, 201, '', now() + make_interval(hours => %(hours)s))
    ON CONFLICT (user_id, key) DO UPDATE SET request_hash = excluded.request_hash, expires_at = excluded.expires_at
          WHERE idempotency_keys.expires_at <= now()
    RETURNING key
"""
_FILL = (
    "UPDATE idempotency_keys SET location = %(location)s, body = %(body)s WHERE user_id = %(user)s AND key = %(key)s"
)
_FIND = "SELECT request_hash, location, body FROM idempotency_keys WHERE user_id = %(user)s AND key = %(key)s"


@dataclass(frozen=True)
class Created:
    """What a write made: where it is found, and what it is."""

    location: str
    content: BaseModel


Work = Callable[[Connection], Awaitable[Created]]


@dataclass(frozen=True)
class Creation:
    """One creating request of one user. `key` is None where the client sent none."""

    services: Services
    user_id: int
    key: str | None
    request_hash: bytes

    async def answer(self, work: Work, *tags: str) -> Response:
        """Do the work in one transaction, or say again what came of it; 201 either way.

        The tags are invalidated for a replay too: whoever did the work may have died between commit and invalidation.
        Raises HTTPException (422) where the key was used for another request.
        """

        async def once(connection: Connection) -> Response:
            if self.key is None:
                made = await work(connection)
                return _created(made.location, made.content.model_dump_json())
            return await self._keyed(connection, self.key, work)

        response = await self.services.database.within(once)
        await self.services.cache.invalidate(*tags)
        return response

    async def _keyed(self, connection: Connection, key: str, work: Work) -> Response:
        row = {"user": self.user_id, "key": key}
        taken = await connection.execute(_TAKE, {**row, "hash": self.request_hash, "hours": KEPT_HOURS})
        if await taken.fetchone() is not None:
            made = await work(connection)
            body = made.content.model_dump_json()
            await connection.execute(_FILL, {**row, "location": made.location, "body": body})
            return _created(made.location, body)
        kept = await (await connection.execute(_FIND, row)).fetchone()
        if kept is None or kept["request_hash"] != self.request_hash:
            raise HTTPException(422, "This Idempotency-Key was used for another request.")
        return _created(kept["location"], kept["body"], {"Idempotent-Replayed": "true"})


def _created(location: str, body: str, headers: dict[str, str] | None = None) -> Response:
    return Response(body, 201, {"Location": location, **(headers or {})}, media_type="application/json")


async def _creation(
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    # Not among the documented parameters but in words: no schema can say which keys were used before.
    idempotency_key: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")] | None, Header(include_in_schema=False)
    ] = None,
) -> Creation:
    seen = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body())
    return Creation(services, caller.user_id, idempotency_key, seen.digest())


CreationDep = Annotated[Creation, Depends(_creation)]
