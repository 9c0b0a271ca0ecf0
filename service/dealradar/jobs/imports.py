"""Applies the prices that merchants reported, in the order in which they came."""

from collections import Counter

from dealradar.cache_store import DEALS, NOTIFICATIONS
from dealradar.database import Connection
from dealradar.jobs.run import Run
from dealradar.pricing import change_price

BATCH = 50
MOST_BATCHES = 40

_WAITING = "SELECT id, deal_id, price_cents FROM price_imports WHERE applied_at IS NULL ORDER BY id LIMIT %s"
_APPLIED = "UPDATE price_imports SET applied_at = now(), outcome = %s WHERE id = %s"


async def work(run: Run) -> str:
    """Apply what waits, a batch a transaction. What is too much for one tick is left to the next."""
    outcomes: Counter[str] = Counter()

    async def batch(connection: Connection) -> Counter[str]:
        rows = await (await connection.execute(_WAITING, [BATCH])).fetchall()
        done: Counter[str] = Counter()
        # By deal, so that two transactions that change several deals cannot wait for each other.
        for row in sorted(rows, key=lambda row: (row["deal_id"], row["id"])):
            outcome = await change_price(
                connection,
                row["deal_id"],
                row["price_cents"],
                "imported",
                dedup_minutes=run.services.settings.notify_dedup_minutes,
            )
            await connection.execute(_APPLIED, [outcome, row["id"]])
            done[outcome] += 1
        return done

    for _ in range(MOST_BATCHES):
        done = await run.within(batch)
        if done["changed"]:
            await run.services.cache.invalidate(DEALS, NOTIFICATIONS)
        outcomes += done
        if done.total() < BATCH:
            break
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing waits"
