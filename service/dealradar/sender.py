"""Sends what the outbox holds: each notification at least once, and once unless a worker dies at the wrong moment.

A mail that may have been sent when its worker died is sent again under the same Message-ID.

Without a session no attempt is made, so an outage of the mail server, however long, uses up no attempts: the sender
pauses as a whole, longer each time, and the rows wait. A session that breaks over a mail counts for that mail.
"""

import asyncio
import concurrent.futures
import logging
import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from dealradar.cache_store import NOTIFICATIONS, CacheStore
from dealradar.database import Database, DatabaseDownError, Row
from dealradar.deliveries import JITTER, Deliveries
from dealradar.flags import Flags
from dealradar.mail import Letterhead, UnwritableError, compose
from dealradar.mailserver import Delivery, MailServer, ServerTroubleError, Session
from dealradar.settings import Settings
from dealradar.stopping import rest

log = logging.getLogger("dealradar.sender")
T = TypeVar("T")

POLL_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
# An attempt is several answers of the server. The lease outlasts the attempt, so that no other worker takes a row that
# is being sent.
ANSWERS_PER_ATTEMPT = 4
LEASE_MARGIN_SECONDS = 5.0
# What is under way has 4 s (stopping.DRAIN_SECONDS), and the outcome has to be noted in them.
GRACE_SECONDS = 3.0

_OUTCOMES = Counter("dealradar_notifications", "Attempts by what became of the notification", ["state"])
_QUEUED = Gauge("dealradar_notifications_queued", "Notifications that are neither sent nor dead")
_OLDEST = Gauge("dealradar_notifications_oldest_seconds", "Age of the oldest of them")
_DELAY = Histogram(
    "dealradar_notifications_delay_seconds",
    "From the event to the mail server's yes",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400),
)
_TROUBLES = Counter("dealradar_mail_server_failures", "Sessions that the mail server refused, cut or let hang")


class Sender:
    """One per worker; `worker` is a name that no other living worker has.

    `cache` is told when notifications changed, so that the operators' figures are new.
    """

    def __init__(self, settings: Settings, database: Database, worker: str, cache: CacheStore | None = None) -> None:
        self._settings = settings
        self._cache = cache
        self._server = MailServer(settings.smtp_url, settings.smtp_timeout_seconds, settings.mail_from)
        self._letterhead = Letterhead(settings.mail_from, settings.public_url)
        self._longest_attempt = ANSWERS_PER_ATTEMPT * settings.smtp_timeout_seconds
        lease = self._longest_attempt + LEASE_MARGIN_SECONDS
        self._deliveries = Deliveries(database, settings, worker, lease_seconds=lease)
        self._flags = Flags(database)
        self._troubles = 0
        self._database_is_down = False

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop; then the mail that is being sent is finished and the other rows are given back."""
        while not stop.is_set():
            pause = POLL_SECONDS
            try:
                pause = await self._round(stop)
            except DatabaseDownError:
                if not self._database_is_down:
                    log.warning("the database is away; notifications wait")
                self._database_is_down = True
            else:
                if self._database_is_down:
                    log.info("the database is back; notifications go on")
                self._database_is_down = False
            await rest(stop, pause)

    async def _round(self, stop: asyncio.Event) -> float:
        """Send all that is due over one session; how many seconds to rest then."""
        queue = await self._deliveries.look()
        _QUEUED.set(queue["queued"])
        _OLDEST.set(queue["oldest"])
        if not queue["due"] or not await self._flags.is_on("mail"):
            return POLL_SECONDS
        try:
            session = await self._bounded(_in_thread(self._server.open), stop)
            try:
                await self._send_due(session, stop)
            finally:
                _in_thread(session.close)
        except ServerTroubleError as trouble:
            return POLL_SECONDS if stop.is_set() else self._went_away(str(trouble))
        return POLL_SECONDS

    async def _send_due(self, session: Session, stop: asyncio.Event) -> None:
        while await self._flags.is_on("mail") and (batch := await self._deliveries.claim()):
            waiting = [notice for notice in batch if notice["state"] == "sending"]
            _OUTCOMES.labels("dead").inc(len(batch) - len(waiting))
            try:
                while waiting and not stop.is_set():
                    await self._send(session, waiting.pop(0), stop)
            finally:
                await self._deliveries.release([notice["id"] for notice in waiting])
                if self._cache is not None:
                    await self._cache.invalidate(NOTIFICATIONS)
            if stop.is_set():
                return

    async def _send(self, session: Session, notice: Row, stop: asyncio.Event) -> None:
        """Make one attempt. Raises ServerTroubleError, after noting the attempt, when the session is over."""
        attempt = await self._deliveries.begin(notice["id"])
        if attempt is None:  # the lease ran out while mails before it were sent, and somebody else has the row
            return
        delivery = await self._deliver(session, notice, stop)
        finished = await self._deliveries.finish(notice["id"], attempt, delivery)
        if finished is not None:
            _OUTCOMES.labels(finished["state"]).inc()
            if finished["state"] == "sent":
                _DELAY.observe(finished["delay"])
        if delivery.trouble:
            raise ServerTroubleError(delivery.trouble)
        self._came_back()

    async def _deliver(self, session: Session, notice: Row, stop: asyncio.Event) -> Delivery:
        try:
            mail = compose(notice, self._letterhead)
        except UnwritableError as error:
            # Without the traceback, which may hold an address.
            log.error("no mail can be made from a notification", extra={"notification": notice["id"]})  # noqa: TRY400
            return Delivery("permanent", f"not sent: {error}"[:200])
        try:
            return await self._bounded(_in_thread(lambda: session.deliver(mail, notice["email"])), stop)
        except ServerTroubleError as trouble:
            return Delivery("temporary", str(trouble), str(trouble))

    async def _bounded(self, work: "asyncio.Future[T]", stop: asyncio.Event) -> T:
        """The result of a thread. Once stopped, it has GRACE_SECONDS left.

        Raises ServerTroubleError for a server that gives each answer in time and still comes to no end.
        """
        stopping = asyncio.create_task(stop.wait())
        either: list[asyncio.Future[Any]] = [work, stopping]
        await asyncio.wait(either, timeout=self._longest_attempt, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            await asyncio.wait({work}, timeout=GRACE_SECONDS)
        stopping.cancel()
        if not work.done():
            work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            raise ServerTroubleError("no end in time")
        return work.result()

    def _went_away(self, trouble: str) -> float:
        """Say so once; how long to leave the server alone."""
        self._troubles += 1
        _TROUBLES.inc()
        if self._troubles == 1:
            log.warning("the mail server is away; notifications wait", extra={"error": trouble})
        pause = self._settings.notify_backoff_seconds * 2.0 ** min(self._troubles - 1, 16)
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  so that workers do not come in step
        return max(POLL_SECONDS, min(pause, LONGEST_PAUSE_SECONDS)) * spread

    def _came_back(self) -> None:
        if self._troubles:
            log.info("the mail server is back", extra={"troubles": self._troubles})
        self._troubles = 0


def _in_thread(call: Callable[[], T]) -> "asyncio.Future[T]":
    """Like asyncio.to_thread, but a process does not wait with its end for a server that hangs."""
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    result.set_running_or_notify_cancel()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001  raised again where the result is awaited
            result.set_exception(error)

    threading.Thread(target=work, name="mail", daemon=True).start()
    return asyncio.wrap_future(result)
