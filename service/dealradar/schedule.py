"""Which worker runs which job, and when: each tick of each job once, over all workers.

A job has ticks at the multiples of its interval since the epoch. Whoever holds the job's lock runs them, and keeps the
lock from tick to tick; a worker that holds more than its share hands over. A tick is a row that only one run can
insert. Ticks that nobody ran are not caught up with, but for the newest.
"""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import Counter

from dealradar.database import Connection, DatabaseDownError, Row
from dealradar.heartbeat import Heartbeat
from dealradar.jobs.run import Run, Work
from dealradar.locks import LockLostError, SharedLock
from dealradar.state import Services
from dealradar.stopping import rest
from dealradar.valkey import ValkeyDownError

log = logging.getLogger("dealradar.schedule")

# A worker asks the more seldom for free locks the more it holds: the idle ones come first.
ASK_SECONDS = 0.15
RETRY_SECONDS = 0.25
LOOK_SECONDS = 1.0
LONGEST_DETAIL = 500
# What work that is cancelled has left to put in order.
UNWIND_SECONDS = 1.0

TICKS = Counter("dealradar_job_ticks", "Ticks; skipped is one that another holder had begun", ["job", "outcome"])
LOST = Counter("dealradar_job_locks_lost", "Times that a job was lost while it was held", ["job"])
TAKEN_OVER = Counter("dealradar_job_takeovers", "Times that a job came from a holder that had not let it go", ["job"])

_CLAIM = """
    WITH before AS (SELECT holder FROM jobs WHERE name = %(job)s)
    INSERT INTO jobs (name, fence, holder, held_since) VALUES (%(job)s, 1, %(worker)s, now())
    ON CONFLICT (name) DO UPDATE
       SET fence = jobs.fence + 1, holder = excluded.holder, held_since = clock_timestamp()
    RETURNING fence, (SELECT holder FROM before) AS holder_before
"""
_HAND_OVER = "UPDATE jobs SET holder = NULL, held_since = NULL WHERE name = %s"
# A holder may begin again what it does not know it has begun, as the answer was lost with the connection.
_BEGIN = """
    INSERT INTO job_runs AS r (job, tick, worker, fence) VALUES (%(job)s, %(tick)s, %(worker)s, %(fence)s)
    ON CONFLICT (job, tick) DO UPDATE SET worker = excluded.worker
     WHERE r.worker = excluded.worker AND r.fence = excluded.fence AND r.ended_at IS NULL
    RETURNING id
"""
_END = "UPDATE job_runs SET ended_at = clock_timestamp(), outcome = %s, detail = %s, fence = %s WHERE id = %s"


class OverdueError(Exception):
    """The work of a tick took longer than a job may."""


def newest_tick(now: float, interval: float) -> float:
    """The last multiple of the interval, which has one decimal at most, in seconds since the epoch."""
    return round(math.floor(now / interval) * interval, 1)


@dataclass
class Scheduler:
    """One worker's part in it. `heartbeat.jobs` is what it holds; `work` is what each job does."""

    services: Services
    heartbeat: Heartbeat
    work: Mapping[str, Work]
    database_answers: bool = True

    async def run(self, stop: asyncio.Event) -> None:
        """Attend to every job of the settings until stopped; a tick that is under way is brought to its end."""
        async with asyncio.TaskGroup() as group:
            for job, interval in self.services.settings.jobs.items():
                group.create_task(self._attend(job, interval, stop))

    async def _attend(self, job: str, interval: float, stop: asyncio.Event) -> None:
        while not stop.is_set():
            lock = SharedLock(
                self.services.valkey, f"job:{job}", self.services.settings.lock_ttl_seconds, self.heartbeat.worker
            )
            try:
                taken = await lock.take()
            except ValkeyDownError:
                taken = False
            if taken:
                await self._serve(job, interval, lock, stop)
            await rest(stop, ASK_SECONDS * (1 + len(self.heartbeat.jobs)))

    async def _serve(self, job: str, interval: float, lock: SharedLock, stop: asyncio.Event) -> None:
        """Hold the job until it is handed over, or lost: then whatever is under way is broken off."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(lock.keep())
                run = await self._claim(job, lock)
                await self._tick(run, interval, stop)
                await run.within(lambda connection: connection.execute(_HAND_OVER, [job]))
                keeping.cancel()
        except* (LockLostError, OverdueError) as lost:
            LOST.labels(job).inc()
            log.warning("job lost", extra={"job": job, "reason": str(lost.exceptions[0])})
        except* DatabaseDownError:
            self._note_database(answers=False)
        finally:
            self.heartbeat.jobs.pop(job, None)
            await lock.release()

    async def _claim(self, job: str, lock: SharedLock) -> Run:
        """Get a new fence, which shuts out all who held the job before; waits for their transactions to end."""
        row = await self.services.database.one(_CLAIM, {"job": job, "worker": self.heartbeat.worker})
        if row is None:
            raise LockLostError("the database gave no fence")
        if row["holder_before"] not in {None, self.heartbeat.worker}:
            TAKEN_OVER.labels(job).inc()
            log.info("job taken over", extra={"job": job, "fence": row["fence"], "from": row["holder_before"]})
        self.heartbeat.jobs[job] = row["fence"]
        return Run(job, self.heartbeat.worker, row["fence"], lock, self.services)

    async def _tick(self, run: Run, interval: float, stop: asyncio.Event) -> None:
        """Run the newest tick whenever there is a new one, until stopped, or until another worker should do it."""
        last = None
        while not stop.is_set() and not self._has_too_many():
            tick = newest_tick(time.time(), interval)
            if tick != last:
                try:
                    await self._once(run, tick)
                    last = tick
                    self._note_database(answers=True)
                except DatabaseDownError:
                    self._note_database(answers=False)
                    await rest(stop, RETRY_SECONDS)
                    continue
            await rest(stop, min(LOOK_SECONDS, tick + interval - time.time()))
        self.heartbeat.jobs.pop(run.job)

    def _has_too_many(self) -> bool:
        return len(self.heartbeat.jobs) > math.ceil(len(self.services.settings.jobs) / self.heartbeat.live)

    async def _once(self, run: Run, tick: float) -> None:
        """Do the work of a tick unless it was begun before. What the work raises ends the run, not the worker.

        Raises OverdueError, with the run noted as failed. The tenure has to end then: only a new fence keeps out work
        that does not heed that it was cancelled.
        """

        async def begin(connection: Connection) -> Row | None:
            row = {"job": run.job, "tick": datetime.fromtimestamp(tick, UTC), "worker": run.worker, "fence": run.fence}
            return await (await connection.execute(_BEGIN, row)).fetchone()

        begun = await run.within(begin)
        if begun is None:
            TICKS.labels(run.job, "skipped").inc()
            return
        overdue: OverdueError | None = None
        try:
            outcome, detail = "done", await self._bounded(run)
        except LockLostError:
            raise
        except OverdueError as error:
            outcome, detail, overdue = "failed", str(error), error
            log.error("job took too long", extra={"job": run.job, "tick": tick, "limit": str(error)})  # noqa: TRY400
        except Exception as error:  # whatever a job does wrong is its own; the others go on
            outcome, detail = "failed", f"{type(error).__name__}: {error}"[:LONGEST_DETAIL]
            log.exception("job failed", extra={"job": run.job, "tick": tick})
        TICKS.labels(run.job, outcome).inc()
        await self._end(run, [outcome, detail, run.fence, begun["id"]])
        if overdue is not None:
            raise overdue

    async def _bounded(self, run: Run) -> str:
        """What the work says that it did. Raises OverdueError, even if the work never ends."""
        limit = self.services.settings.job_timeout_seconds
        work = asyncio.ensure_future(self.work[run.job](run))
        # Nobody waits for the end of what is given up; asyncio would complain that nobody did.
        work.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            await asyncio.wait({work}, timeout=limit)
            if not work.done():
                work.cancel()
                await asyncio.wait({work}, timeout=UNWIND_SECONDS)
                raise OverdueError(f"the work took longer than {limit} s")
        finally:
            work.cancel()
        if work.cancelled():
            raise RuntimeError("the work cancelled itself")
        return work.result()

    async def _end(self, run: Run, values: list[object]) -> None:
        """Note how a run ended, as soon as the database answers."""
        while True:
            try:
                await run.within(lambda connection: connection.execute(_END, values))
            except DatabaseDownError:
                self._note_database(answers=False)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _note_database(self, *, answers: bool) -> None:
        if answers != self.database_answers:
            self.database_answers = answers
            if answers:
                log.info("the database answers again")
            else:
                log.warning("the database does not answer")
