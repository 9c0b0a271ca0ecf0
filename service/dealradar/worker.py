"""`dealradar worker`: one process that sends notifications and runs jobs, until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import secrets

import prometheus_client

from dealradar import jobs
from dealradar.cache_store import CacheStore
from dealradar.database import opened
from dealradar.flags import Flags
from dealradar.heartbeat import Heartbeat
from dealradar.logs import configure_logs
from dealradar.schedule import Scheduler
from dealradar.sender import Sender
from dealradar.settings import Settings
from dealradar.state import Lifecycle, Services
from dealradar.stopping import DRAIN_SECONDS, ended, hold_signals, listen
from dealradar.traffic import Traffic
from dealradar.valkey import Valkey

log = logging.getLogger("dealradar.worker")


def work(settings: Settings, metrics_port: int | None = None) -> None:
    """Work until a signal ends it; the figures are on the port, where one is given.

    Raises OSError when the port cannot be listened on, psycopg.errors.UndefinedTable when the tables are not there.
    """
    configure_logs(settings.log_level)
    hold_signals()
    if metrics_port is not None:
        prometheus_client.start_http_server(metrics_port, "127.0.0.1")
    try:
        asyncio.run(_work(settings))
        ended()
    except ExceptionGroup as group:
        first: Exception = group
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _work(settings: Settings) -> None:
    worker = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(3)}"
    valkey = Valkey(settings.redis_url)
    cache = CacheStore(valkey, settings)
    heartbeat = Heartbeat(valkey, worker, settings.build_id, settings.lock_ttl_seconds, {})
    # A worker that is frozen in a transaction holds its rows no longer than its locks.
    async with opened(settings.database_url, transaction_seconds=settings.lock_ttl_seconds) as database:
        services = Services(settings, database, valkey, cache, Traffic(), Flags(database), Lifecycle())
        # Before any lock is held: it may import the web framework, for longer than a short-lived lock can wait.
        scheduler = Scheduler(services, heartbeat, jobs.prepared(services))
        sender = Sender(settings, database, worker, cache)
        try:
            async with asyncio.timeout(None) as patience, asyncio.TaskGroup() as group:
                beating = group.create_task(heartbeat.run())
                log.info("worker started", extra={"worker": worker, "build": settings.build_id})
                await _until_drained(patience, scheduler, sender)
                beating.cancel()
            log.info("worker ended", extra={"worker": worker})
        except TimeoutError:
            log.warning("worker ended before its work did", extra={"worker": worker})
        finally:
            await heartbeat.end()
            await valkey.close()


async def _until_drained(patience: asyncio.Timeout, scheduler: Scheduler, sender: Sender) -> None:
    """Work until a signal, then finish what is under way, for which there is not for ever."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        if not stop.is_set():
            stop.set()
            patience.reschedule(loop.time() + DRAIN_SECONDS)

    listen(end)
    async with asyncio.TaskGroup() as group:
        group.create_task(scheduler.run(stop))
        group.create_task(sender.run(stop))
