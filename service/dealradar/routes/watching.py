"""What a user follows, how they want to be told of it, and what they were told. Each sees only what is theirs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, LiteralString

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from dealradar.auth import Caller, CallerDep, unauthorized
from dealradar.keyset import WHOLE, Item, Listing, Order, Page, Part, PartQuery
from dealradar.schemas import Cents, Id, Input
from dealradar.state import Services, ServicesDep

router = APIRouter(prefix="/api/me", tags=["me"], responses={401: {"description": "No valid token"}})


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


@dataclass(frozen=True)
class _Own(Generic[Item]):
    """A list of which each user has one."""

    shape: type[Page[Item]]
    listing: Listing
    order: Order
    count: LiteralString

    async def page(self, services: Services, caller: Caller, part: Part) -> Page[Item]:
        counted = await services.database.one(self.count, [caller.user_id])
        return await self.listing.page(
            services.database,
            self.order,
            self.shape,
            part,
            total=counted["total"] if counted else 0,
            params={"user": caller.user_id},
        )


# The first two go by deal, as their unique indexes do: a user has one entry a deal.
_WATCHLIST = _Own(
    Page[Watched],
    Listing(
        "w.deal_id AS id, w.deal_id, d.title, d.price_cents, w.created_at",
        "watchlist_items w JOIN deals d ON d.id = w.deal_id",
        ("w.user_id = %(user)s",),
    ),
    Order("watched", "w.deal_id", "w.deal_id", WHOLE),
    "SELECT count(*) AS total FROM watchlist_items WHERE user_id = %s",
)
_ALERTS = _Own(
    Page[Alert],
    Listing(
        "a.deal_id AS id, a.deal_id, d.title, d.price_cents, a.created_at, a.target_cents, a.fired_at",
        "price_alerts a JOIN deals d ON d.id = a.deal_id",
        ("a.user_id = %(user)s",),
    ),
    Order("alerts", "a.deal_id", "a.deal_id", WHOLE),
    "SELECT count(*) AS total FROM price_alerts WHERE user_id = %s",
)
_NOTIFICATIONS = _Own(
    Page[Notification],
    Listing(
        "n.id, n.deal_id, d.title, n.kind, n.state, n.created_at, n.sent_at",
        "notifications n JOIN deals d ON d.id = n.deal_id",
        ("n.user_id = %(user)s",),
    ),
    Order("told", "n.created_at", "n.id"),
    "SELECT count(*) AS total FROM notifications WHERE user_id = %s",
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
_NO_DEAL: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such deal"}}
_WRONG_CURSOR: dict[int | str, dict[str, Any]] = {409: {"description": "The cursor belongs to another list"}}


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


@router.get("/watchlist", responses=_WRONG_CURSOR)
async def watchlist(services: ServicesDep, caller: CallerDep, part: PartQuery) -> Page[Watched]:
    """List the deals that the caller watches, newest deal first."""
    return await _WATCHLIST.page(services, caller, part)


@router.put("/watchlist/{deal_id}", status_code=204, responses=_NO_DEAL)
async def watch(services: ServicesDep, caller: CallerDep, deal_id: Id) -> None:
    """Watch a deal: when its price falls, the caller is told."""
    if await services.database.one(_WATCH, {"user": caller.user_id, "deal": deal_id}) is None:
        raise HTTPException(404, "There is no such deal.")


@router.delete("/watchlist/{deal_id}", status_code=204)
async def unwatch(services: ServicesDep, caller: CallerDep, deal_id: Id) -> None:
    """Do not watch a deal, whether it was watched or not."""
    await services.database.one(_UNWATCH, [caller.user_id, deal_id])


@router.get("/alerts", responses=_WRONG_CURSOR)
async def alerts(services: ServicesDep, caller: CallerDep, part: PartQuery) -> Page[Alert]:
    """List the prices that the caller waits for, newest deal first."""
    return await _ALERTS.page(services, caller, part)


@router.put("/alerts/{deal_id}", status_code=204, responses=_NO_DEAL)
async def set_alert(services: ServicesDep, caller: CallerDep, deal_id: Id, given: Target) -> None:
    """Wait for a price of a deal. It is told once; another target than before arms the alert again."""
    values = {"user": caller.user_id, "deal": deal_id, "target": given.target_cents}
    if await services.database.one(_SET_ALERT, values) is None:
        raise HTTPException(404, "There is no such deal.")


@router.delete("/alerts/{deal_id}", status_code=204)
async def remove_alert(services: ServicesDep, caller: CallerDep, deal_id: Id) -> None:
    """Wait no longer, whether there was an alert or not."""
    await services.database.one(_REMOVE_ALERT, [caller.user_id, deal_id])


@router.get("/notifications", responses=_WRONG_CURSOR)
async def notifications(services: ServicesDep, caller: CallerDep, part: PartQuery) -> Page[Notification]:
    """List what the caller was told, newest first."""
    return await _NOTIFICATIONS.page(services, caller, part)
