"""What a user follows, how they want to be told of it, and what they were told. Each sees only what is theirs."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from dealradar.auth import CallerDep, unauthorized
from dealradar.keyset import WHOLE, Listing, Order, Page, PartQuery
from dealradar.routes.deals import MISSING, NO_DEAL
from dealradar.schemas import Cents, Id, Input
from dealradar.state import ServicesDep

router = APIRouter(prefix="/api/me", tags=["me"])


class Preferences(Input):
    """Of what a user wants to be told by mail."""

    notify_price_drop: bool
    notify_price_alert: bool
    notify_new_review: bool
    notify_new_reply: bool


class Target(Input):
    """The price, in cents of euro, at or under which to tell."""

    target_cents: Cents


class Watched(BaseModel):
    """A deal on the watchlist, with today's price."""

    deal_id: int
    title: str
    price_cents: int
    created_at: datetime


class Alert(Watched):
    """A deal with the price that the user waits for; `fired_at` is when it was told that the price is reached."""

    target_cents: int
    fired_at: datetime | None


class Notification(BaseModel):
    """What a user was told, or is about to be."""

    id: int
    deal_id: int
    title: str
    kind: Literal["price_drop", "price_alert", "new_review", "new_reply"]
    state: Literal["pending", "sending", "sent", "failed", "dead"]
    created_at: datetime
    sent_at: datetime | None


# The first two go by deal, as their unique indexes do: a user has one entry a deal.
_WATCHLIST = Listing(
    Page[Watched],
    "w.deal_id AS id, w.deal_id, d.title, d.price_cents, w.created_at",
    "watchlist_items w JOIN deals d ON d.id = w.deal_id",
    "SELECT count(*) AS total FROM watchlist_items WHERE user_id = %(user)s",
    ("w.user_id = %(user)s",),
)
_ALERTS = Listing(
    Page[Alert],
    "a.deal_id AS id, a.deal_id, d.title, d.price_cents, a.created_at, a.target_cents, a.fired_at",
    "price_alerts a JOIN deals d ON d.id = a.deal_id",
    "SELECT count(*) AS total FROM price_alerts WHERE user_id = %(user)s",
    ("a.user_id = %(user)s",),
)
_NOTIFICATIONS = Listing(
    Page[Notification],
    "n.id, n.deal_id, d.title, n.kind, n.state, n.created_at, n.sent_at",
    "notifications n JOIN deals d ON d.id = n.deal_id",
    "SELECT count(*) AS total FROM notifications WHERE user_id = %(user)s",
    ("n.user_id = %(user)s",),
)
_PREFERENCES = """
    SELECT notify_price_drop, notify_price_alert, notify_new_review, notify_new_reply FROM users WHERE id = %s
"""
_PREFER = """
    UPDATE users
       SET notify_price_drop = %(notify_price_drop)s, notify_price_alert = %(notify_price_alert)s,
           notify_new_review = %(notify_new_review)s, notify_new_reply = %(notify_new_reply)s
     WHERE id = %(user)s
    RETURNING notify_price_drop, notify_price_alert, notify_new_review, notify_new_reply
"""
_WATCH = """
    WITH deal AS (SELECT id FROM deals WHERE id = %(deal)s), kept AS (
        INSERT INTO watchlist_items (user_id, deal_id) SELECT %(user)s, id FROM deal ON CONFLICT DO NOTHING)
    SELECT id FROM deal
"""
# The same target again changes nothing: a request that is sent twice must not make the alert tell twice.
_SET_ALERT = """
    WITH deal AS (SELECT id FROM deals WHERE id = %(deal)s), kept AS (
        INSERT INTO price_alerts AS a (user_id, deal_id, target_cents) SELECT %(user)s, id, %(target)s FROM deal
        ON CONFLICT (user_id, deal_id) DO UPDATE SET target_cents = excluded.target_cents, fired_at = NULL
              WHERE a.target_cents <> excluded.target_cents)
    SELECT id FROM deal
"""
_UNWATCH = "DELETE FROM watchlist_items WHERE user_id = %s AND deal_id = %s RETURNING deal_id"
_REMOVE_ALERT = "DELETE FROM price_alerts WHERE user_id = %s AND deal_id = %s RETURNING deal_id"
_BY_DEAL = Order("watched", "w.deal_id", "w.deal_id", WHOLE)
_BY_ALERTED_DEAL = Order("alerts", "a.deal_id", "a.deal_id", WHOLE)
_NEWEST = Order("told", "n.created_at", "n.id")


@router.get("/preferences")
async def preferences(services: ServicesDep, caller: CallerDep) -> Preferences:
    """Of what the caller is told."""
    row = await services.database.one(_PREFERENCES, [caller.user_id])
    if row is None:
        raise unauthorized("The account is gone.", "invalid_token")
    return Preferences(**row)


@router.put("/preferences")
async def prefer(services: ServicesDep, caller: CallerDep, given: Preferences) -> Preferences:
    """Say of what to be told."""
    row = await services.database.one(_PREFER, {**given.model_dump(), "user": caller.user_id})
    if row is None:
        raise unauthorized("The account is gone.", "invalid_token")
    return Preferences(**row)


@router.get("/watchlist")
async def watchlist(services: ServicesDep, caller: CallerDep, part: PartQuery) -> Page[Watched]:
    """List the deals that the caller watches, newest deal first."""
    return await _WATCHLIST.page(services.database, _BY_DEAL, part, user=caller.user_id)


@router.put("/watchlist/{deal_id}", status_code=204, responses=MISSING)
async def watch(services: ServicesDep, caller: CallerDep, deal_id: Id) -> None:
    """Watch a deal: when its price falls, the caller is told."""
    if await services.database.one(_WATCH, {"user": caller.user_id, "deal": deal_id}) is None:
        raise HTTPException(404, NO_DEAL)


@router.delete("/watchlist/{deal_id}", status_code=204)
async def unwatch(services: ServicesDep, caller: CallerDep, deal_id: Id) -> None:
    """Do not watch a deal, whether it was watched or not."""
    await services.database.one(_UNWATCH, [caller.user_id, deal_id])


@router.get("/alerts")
async def alerts(services: ServicesDep, caller: CallerDep, part: PartQuery) -> Page[Alert]:
    """List the prices that the caller waits for, newest deal first."""
    return await _ALERTS.page(services.database, _BY_ALERTED_DEAL, part, user=caller.user_id)


@router.put("/alerts/{deal_id}", status_code=204, responses=MISSING)
async def set_alert(services: ServicesDep, caller: CallerDep, deal_id: Id, given: Target) -> None:
    """Wait for a price of a deal. It is told once; another target than before arms the alert again."""
    values = {"user": caller.user_id, "deal": deal_id, "target": given.target_cents}
    if await services.database.one(_SET_ALERT, values) is None:
        raise HTTPException(404, NO_DEAL)


@router.delete("/alerts/{deal_id}", status_code=204)
async def remove_alert(services: ServicesDep, caller: CallerDep, deal_id: Id) -> None:
    """Wait no longer, whether there was an alert or not."""
    await services.database.one(_REMOVE_ALERT, [caller.user_id, deal_id])


@router.get("/notifications")
async def notifications(services: ServicesDep, caller: CallerDep, part: PartQuery) -> Page[Notification]:
    """List what the caller was told, newest first."""
    return await _NOTIFICATIONS.page(services.database, _NEWEST, part, user=caller.user_id)
