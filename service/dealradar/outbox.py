"""Notifications as rows, written in the transaction of what they tell: none is lost, none tells of what never was."""

from dealradar.database import Connection

# The key names the event and the person, so that the same event cannot be noted twice. Who was told of the same kind of
# thing about the same deal within the window is not told again.
_PRICE_DROP = """
    INSERT INTO notifications (user_id, deal_id, kind, idempotency_key, facts)
    SELECT w.user_id, d.id, 'price_drop', format('price_drop.%%s.%%s.%%s', d.id, w.user_id, %(change)s),
           jsonb_build_object('title', d.title, 'old_cents', %(old)s::int, 'new_cents', %(new)s::int)
      FROM deals d
      JOIN watchlist_items w ON w.deal_id = d.id
      JOIN users u ON u.id = w.user_id AND u.notify_price_drop
     WHERE d.id = %(deal)s
       AND NOT EXISTS (SELECT FROM notifications n
                        WHERE n.deal_id = d.id AND n.user_id = w.user_id AND n.kind = 'price_drop'
                          AND n.created_at > now() - make_interval(mins => %(window)s))
    ON CONFLICT (idempotency_key) DO NOTHING
"""


async def price_changed(
    connection: Connection, deal_id: int, *, change_id: int, old_cents: int, new_cents: int, dedup_minutes: int
) -> None:
    """Note for everybody who watches the deal that its price fell."""
    await connection.execute(
        _PRICE_DROP,
        {"deal": deal_id, "change": change_id, "old": old_cents, "new": new_cents, "window": dedup_minutes},
    )
