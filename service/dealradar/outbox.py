"""Notifications as rows, written in the transaction of what they tell: none is lost, none tells of what never was.

A notification's key names the event and the person, so that the same event cannot be noted twice. Whoever was told of
the same kind of thing about the same deal within the window (NOTIFY_DEDUP_MINUTES) is not told again, and nobody is
told what the preferences (users.notify_*) decline.
"""

from dealradar.database import Connection

# Two writers of one deal come in turn; the second then sees, in a statement of its own, whom the first has told.
_LOCK_REVIEWED = "SELECT FROM deals WHERE id = (SELECT deal_id FROM reviews WHERE id = %s) FOR NO KEY UPDATE"
_LOCK_COMMENTED = "SELECT FROM deals WHERE id = (SELECT deal_id FROM comments WHERE id = %s) FOR NO KEY UPDATE"

_FALLEN = """
    SELECT w.user_id, d.id AS deal_id, %(change)s::bigint AS event,
           jsonb_build_object('title', d.title, 'old_cents', %(old)s::int, 'new_cents', %(new)s::int) AS facts
      FROM deals d JOIN watchlist_items w ON w.deal_id = d.id
     WHERE d.id = %(deal)s
"""
_REVIEWED = """
    SELECT d.author_id AS user_id, d.id AS deal_id, r.id AS event,
           jsonb_build_object('title', d.title, 'by', a.display_name, 'rating', r.rating, 'review', r.title) AS facts
      FROM reviews r JOIN deals d ON d.id = r.deal_id JOIN users a ON a.id = r.author_id
     WHERE r.id = %(review)s AND r.author_id <> d.author_id
"""
_REPLIED = """
    SELECT p.author_id AS user_id, d.id AS deal_id, k.id AS event,
           jsonb_build_object('title', d.title, 'by', a.display_name, 'reply', left(k.body, 500)) AS facts
      FROM comments k JOIN comments p ON p.id = k.parent_id JOIN deals d ON d.id = k.deal_id
      JOIN users a ON a.id = k.author_id
     WHERE k.id = %(comment)s AND k.author_id <> p.author_id
"""
# An alert that cannot be told now (declined, or within the window) is not fired: the job `alerts` comes back to it.
_REACHED = """
    SELECT a.id, a.user_id, a.deal_id, (extract(epoch FROM now()) * 1000000)::bigint AS event,
           jsonb_build_object('title', d.title, 'target_cents', a.target_cents, 'new_cents', d.price_cents) AS facts
      FROM price_alerts a JOIN deals d ON d.id = a.deal_id AND d.price_cents <= a.target_cents
     WHERE a.fired_at IS NULL AND (%(deal)s::bigint IS NULL OR a.deal_id = %(deal)s)
"""


def _willing(kind: str, told: str) -> str:
    return f"""
    SELECT told.* FROM ({told}) told JOIN users u ON u.id = told.user_id AND u.notify_{kind}
     WHERE %(window)s = 0
        OR NOT EXISTS (SELECT FROM notifications n
                        WHERE n.deal_id = told.deal_id AND n.user_id = told.user_id AND n.kind = '{kind}'
                          AND n.created_at > now() - make_interval(mins => %(window)s))
    """  # noqa: S608  both are literals of this module


def _noting(kind: str, told: str) -> str:
    return f"""
    INSERT INTO notifications (user_id, deal_id, kind, idempotency_key, facts)
    SELECT user_id, deal_id, '{kind}', concat_ws('.', '{kind}', deal_id, user_id, event), facts FROM ({told}) willing
    ON CONFLICT (idempotency_key) DO NOTHING
    """  # noqa: S608


_NOTE_FALLEN = _noting("price_drop", _willing("price_drop", _FALLEN))
_NOTE_REVIEWED = _noting("new_review", _willing("new_review", _REVIEWED))
_NOTE_REPLIED = _noting("new_reply", _willing("new_reply", _REPLIED))
_FIRE = f"""
    WITH due AS (
        SELECT told.* FROM ({_willing("price_alert", _REACHED)}) told JOIN price_alerts alert ON alert.id = told.id
         WHERE alert.fired_at IS NULL ORDER BY told.id LIMIT %(limit)s FOR UPDATE OF alert SKIP LOCKED),
    fired AS (UPDATE price_alerts SET fired_at = now() FROM due WHERE price_alerts.id = due.id)
    {_noting("price_alert", "SELECT * FROM due")}
"""  # noqa: S608


async def price_changed(
    connection: Connection, deal_id: int, *, change_id: int, old_cents: int, new_cents: int, dedup_minutes: int
) -> None:
    """Note for everybody who watches the deal that its price fell, and fire the alerts that it reached.

    The caller holds the deal's row.
    """
    await connection.execute(
        _NOTE_FALLEN,
        {"deal": deal_id, "change": change_id, "old": old_cents, "new": new_cents, "window": dedup_minutes},
    )
    await alerts_reached(connection, deal_id=deal_id, dedup_minutes=dedup_minutes)


async def alerts_reached(
    connection: Connection, *, dedup_minutes: int, deal_id: int | None = None, limit: int | None = None
) -> int:
    """Fire alerts whose price is at or under the target, at most `limit`, of one deal or of all; how many fired."""
    fired = await connection.execute(_FIRE, {"deal": deal_id, "window": dedup_minutes, "limit": limit})
    return fired.rowcount


async def reviewed(connection: Connection, review_id: int, *, dedup_minutes: int) -> None:
    """Note for a deal's author that somebody else reviewed it."""
    await connection.execute(_LOCK_REVIEWED, [review_id])
    await connection.execute(_NOTE_REVIEWED, {"review": review_id, "window": dedup_minutes})


async def replied(connection: Connection, comment_id: int, *, dedup_minutes: int) -> None:
    """Note for the author of a comment that somebody else answered it; a comment that answers none is told nobody."""
    await connection.execute(_LOCK_COMMENTED, [comment_id])
    await connection.execute(_NOTE_REPLIED, {"comment": comment_id, "window": dedup_minutes})
