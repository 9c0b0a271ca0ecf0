"""The one way in which a price changes: the deal, its history and the notifications, in the caller's transaction."""

from typing import Literal

from dealradar.database import Connection
from dealradar.outbox import price_changed

_LOCK = "SELECT price_cents, list_price_cents FROM deals WHERE id = %s FOR UPDATE"
_CHANGE = "UPDATE deals SET price_cents = %s WHERE id = %s"
_NOTE = """
    INSERT INTO price_history (deal_id, old_cents, price_cents, source) VALUES (%s, %s, %s, %s) RETURNING id
"""

Outcome = Literal["changed", "unchanged", "refused"]


async def change_price(
    connection: Connection, deal_id: int, cents: int, source: Literal["edited", "imported"], *, dedup_minutes: int
) -> Outcome:
    """Set a deal's price. `refused`: there is no such deal, or the price is above its list price.

    The row stays locked until the transaction ends, so changes of one deal, and their notifications, come in turn.
    """
    deal = await (await connection.execute(_LOCK, [deal_id])).fetchone()
    if deal is None or cents > deal["list_price_cents"]:
        return "refused"
    old = deal["price_cents"]
    if cents == old:
        return "unchanged"
    await connection.execute(_CHANGE, [cents, deal_id])
    noted = await (await connection.execute(_NOTE, [deal_id, old, cents, source])).fetchone()
    if noted is not None and cents < old:
        await price_changed(
            connection, deal_id, change_id=noted["id"], old_cents=old, new_cents=cents, dedup_minutes=dedup_minutes
        )
    return "changed"
