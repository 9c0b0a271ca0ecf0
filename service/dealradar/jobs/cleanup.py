"""Deletes what is over: sessions and idempotency keys that have expired, and the records of old runs."""

from typing import LiteralString

from dealradar.database import Connection
from dealradar.jobs.run import Run

BATCH = 1_000
MOST_BATCHES = 20

_OVER: dict[str, LiteralString] = {
    "sessions": "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < now() LIMIT %s)",
    "idempotency keys": """
        DELETE FROM idempotency_keys WHERE (user_id, key) IN (
            SELECT user_id, key FROM idempotency_keys WHERE expires_at < now() LIMIT %s)
    """,
    "runs": """
        DELETE FROM job_runs WHERE id IN (
            SELECT r.id FROM jobs j JOIN job_runs r ON r.job = j.name
             WHERE r.tick < now() - interval '7 days' LIMIT %s)
    """,
}


async def work(run: Run) -> str:
    """Delete in batches, so that no transaction is long."""
    deleted = [f"{await _delete(run, sql)} {what}" for what, sql in _OVER.items()]
    return "deleted " + ", ".join(deleted)


async def _delete(run: Run, sql: LiteralString) -> int:
    async def batch(connection: Connection) -> int:
        return (await connection.execute(sql, [BATCH])).rowcount

    total = 0
    for _ in range(MOST_BATCHES):
        count = await run.within(batch)
        total += count
        if count < BATCH:
            break
    return total
