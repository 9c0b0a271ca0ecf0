"""Logins that last: rows of `sessions`, each found by a secret that the client holds and of which only a hash is kept.

Of kind `refresh` (good for new bearer tokens; each use replaces it) and `browser` (the cookie of the pages). A login
ends when its time is over, however often it was refreshed.
"""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter

from dealradar.database import Connection, Database, Row

log = logging.getLogger("dealradar.sessions")
LIFETIME_SECONDS = {"refresh": 30 * 86_400, "browser": 86_400}
REUSED = Counter("dealradar_refresh_tokens_reused_total", "Refresh tokens that came a second time and ended a login")

_OPEN = """
    INSERT INTO sessions (user_id, kind, token_hash, family, expires_at)
    VALUES (%s, %s, %s, gen_random_uuid(), now() + make_interval(secs => %s))
    RETURNING family::text
"""
# All changes to one user's sessions pass here one at a time: else a refresh and a logout that run at once would leave a
# successor behind that the logout could not see. What follows is a statement of its own, with a newer snapshot.
_LOCK_ITS_USER = """
    SELECT u.id, u.role FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.token_hash = %s AND s.kind = 'refresh' FOR NO KEY UPDATE OF u
"""
_LOCK_USER = "SELECT FROM users WHERE id = %s FOR NO KEY UPDATE"
_REPLACE = """
    WITH used AS (
        UPDATE sessions SET used_at = now()
         WHERE token_hash = %(old)s AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now()
        RETURNING user_id, family, expires_at)
    INSERT INTO sessions (user_id, kind, token_hash, family, expires_at)
    SELECT user_id, 'refresh', %(new)s, family, expires_at FROM used
    RETURNING family::text, ceil(extract(epoch FROM expires_at - now()))::int AS expires_in
"""
_END_REUSED = """
    UPDATE sessions SET revoked_at = now()
     WHERE revoked_at IS NULL
       AND family = (SELECT family FROM sessions WHERE token_hash = %s AND used_at IS NOT NULL)
    RETURNING id
"""
_END = """
    UPDATE sessions SET revoked_at = now()
     WHERE user_id = %(user)s AND revoked_at IS NULL AND (%(family)s::uuid IS NULL OR family = %(family)s)
"""


@dataclass(frozen=True)
class Session:
    """An open session. `secret` can be told only now; `family` names the login."""

    secret: str
    family: str
    expires_in: int


def digest(secret: str) -> bytes:
    """How a secret is stored: it is 256 random bits, so a quick hash tells nobody anything."""
    return hashlib.sha256(secret.encode()).digest()


async def open_session(database: Database, user_id: int, kind: Literal["refresh", "browser"]) -> Session:
    """A new login of a user whose password was right."""
    secret = secrets.token_urlsafe(32)
    seconds = LIFETIME_SECONDS[kind]
    row = await database.one(_OPEN, [user_id, kind, digest(secret), seconds])
    assert row is not None  # noqa: S101  an INSERT that returns no row raises
    return Session(secret, row["family"], seconds)


async def refresh(database: Database, secret: str) -> tuple[Session, Row] | None:
    """The session that replaces the one with this secret, and its user (id, role); None if that one is over.

    A secret that was used before is in two hands: the whole login ends (RFC 9700, 4.14.2).
    """
    old, new = digest(secret), secrets.token_urlsafe(32)

    async def replace(connection: Connection) -> tuple[Session, Row] | None:
        user = await (await connection.execute(_LOCK_ITS_USER, [old])).fetchone()
        if user is None:
            return None
        row = await (await connection.execute(_REPLACE, {"old": old, "new": digest(new)})).fetchone()
        if row is not None:
            return Session(new, **row), user
        if (await connection.execute(_END_REUSED, [old])).rowcount:
            REUSED.inc()
            log.warning("a refresh token came twice; its login is ended", extra={"user_id": user["id"]})
        return None

    return await database.within(replace)


async def end_sessions(database: Database, user_id: int, family: str | None = None) -> None:
    """End one login of a user, or all of them."""

    async def end(connection: Connection) -> None:
        await connection.execute(_LOCK_USER, [user_id])
        await connection.execute(_END, {"user": user_id, "family": family})

    await database.within(end)
