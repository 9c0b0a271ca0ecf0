"""The queue of notifications, and who may say what became of them.

A worker leases a few due rows (state `sending`), notes each attempt before it begins and the outcome after it. Only the
holder of the lease may note an outcome. What a worker leaves behind when it dies is due again after the lease; the
attempt without an outcome counts.
"""

from dealradar.database import Database, Row
from dealradar.mailserver import Delivery
from dealradar.settings import Settings

BATCH = 20
JITTER = 0.2

_QUEUE = """
    SELECT count(*) AS queued, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest,
           count(*) FILTER (WHERE next_attempt_at <= now()) AS due
      FROM notifications WHERE state IN ('pending', 'sending', 'failed')
"""
# Who has had all attempts here left the last one without an outcome: its worker died over it.
_CLAIM = """
    WITH due AS (
        SELECT id FROM notifications
         WHERE state IN ('pending', 'sending', 'failed') AND next_attempt_at <= now()
         ORDER BY next_attempt_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
    UPDATE notifications n
       SET state = CASE WHEN n.attempts < %(most)s THEN 'sending' ELSE 'dead' END,
           lease_owner = CASE WHEN n.attempts < %(most)s THEN %(worker)s END,
           next_attempt_at = now() + make_interval(secs => %(lease)s)
      FROM due, users u WHERE n.id = due.id AND u.id = n.user_id
    RETURNING n.id, n.state, n.kind, n.deal_id, n.idempotency_key, n.facts, u.email, u.display_name
"""
_BEGIN = """
    WITH begun AS (
        UPDATE notifications SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => %(lease)s)
         WHERE id = %(id)s AND state = 'sending' AND lease_owner = %(worker)s RETURNING id, attempts)
    INSERT INTO delivery_attempts (notification_id, number, worker) SELECT id, attempts, %(worker)s FROM begun
    RETURNING number
"""
_FINISH = """
    WITH finished AS (
        UPDATE notifications
           SET state = CASE WHEN %(outcome)s = 'sent' THEN 'sent'
                            WHEN %(outcome)s = 'permanent' OR attempts >= %(most)s THEN 'dead' ELSE 'failed' END,
               sent_at = CASE WHEN %(outcome)s = 'sent' THEN now() END,
               next_attempt_at = now() + make_interval(
                   secs => %(backoff)s * 2 ^ (attempts - 1) * (1 + %(jitter)s * (2 * random() - 1))),
               lease_owner = NULL
         WHERE id = %(id)s AND state = 'sending' AND lease_owner = %(worker)s AND attempts = %(number)s
        RETURNING id, attempts, state, extract(epoch FROM now() - created_at)::float8 AS delay),
    ended AS (
        UPDATE delivery_attempts SET ended_at = now(), outcome = %(outcome)s, reply = %(reply)s
          FROM finished WHERE notification_id = finished.id AND number = finished.attempts)
    SELECT state, delay FROM finished
"""
_RELEASE = """
    UPDATE notifications SET state = CASE WHEN attempts = 0 THEN 'pending' ELSE 'failed' END, lease_owner = NULL,
                             next_attempt_at = now()
     WHERE id = ANY(%(ids)s) AND state = 'sending' AND lease_owner = %(worker)s RETURNING id
"""


class Deliveries:
    """The queue as one worker sees it; `worker` is a name that no other living worker has.

    Every method raises DatabaseDownError.
    """

    def __init__(self, database: Database, settings: Settings, worker: str, *, lease_seconds: float) -> None:
        self._database = database
        self._values = {
            "worker": worker,
            "lease": lease_seconds,
            "batch": BATCH,
            "most": settings.notify_max_attempts,
            "backoff": settings.notify_backoff_seconds,
            "jitter": JITTER,
        }

    async def look(self) -> Row:
        """How many notifications are `queued` and `due`, and how old the `oldest` is in seconds."""
        return (await self._database.all(_QUEUE))[0]

    async def claim(self) -> list[Row]:
        """Lease the next due rows: those of state `sending`. The others among them are `dead`, all attempts used up."""
        return await self._database.all(_CLAIM, self._values)

    async def begin(self, number: int) -> int | None:
        """Note that an attempt at a notification begins; which one, or None if the lease was lost."""
        begun = await self._database.one(_BEGIN, {**self._values, "id": number})
        return None if begun is None else int(begun["number"])

    async def finish(self, number: int, attempt: int, delivery: Delivery) -> Row | None:
        """Note the outcome, and when to try again; the new `state` and the `delay` so far, or None if the lease was
        lost.
        """
        outcome = {"outcome": delivery.outcome, "reply": delivery.reply}
        return await self._database.one(_FINISH, {**self._values, **outcome, "id": number, "number": attempt})

    async def release(self, numbers: list[int]) -> None:
        """Give back, at once due, what was leased and not tried."""
        await self._database.all(_RELEASE, {**self._values, "ids": numbers})
