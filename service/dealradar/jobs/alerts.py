"""Fires the price alerts whose price was low enough already when they were set."""

from dealradar.cache_store import NOTIFICATIONS
from dealradar.database import Connection
from dealradar.jobs.run import Run
from dealradar.outbox import alerts_reached

BATCH = 200
MOST_BATCHES = 10


async def work(run: Run) -> str:
    """Fire in batches, so that no transaction is long. What is too much for one tick is left to the next."""

    async def batch(connection: Connection) -> int:
        return await alerts_reached(connection, dedup_minutes=run.services.settings.notify_dedup_minutes, limit=BATCH)

    total = 0
    for _ in range(MOST_BATCHES):
        fired = await run.within(batch)
        total += fired
        if fired:
            await run.services.cache.invalidate(NOTIFICATIONS)
        if fired < BATCH:
            break
    return f"{total} alerts fired"
