"""What the work of a job is given: transactions that only the present holder of the job can commit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from dealradar.database import Connection
from dealradar.locks import LockLostError, SharedLock
from dealradar.state import Services

T = TypeVar("T")
FENCED_OFF = "DR001"  # what hold_fence and the triggers of migration 0006 raise


@dataclass(frozen=True)
class Run:
    """One tenure of a job. `fence` is the token that the database gave for it."""

    job: str
    worker: str
    fence: int
    lock: SharedLock
    services: Services

    async def within(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` returns, done in one transaction of the job. All that a job writes, it writes in here.

        Raises LockLostError, with nothing written, when the job is somebody else's by now; DatabaseDownError.
        """
        self.lock.check()

        async def fenced(connection: Connection) -> T:
            await connection.execute("SELECT hold_fence(%s, %s)", [self.job, self.fence])
            return await work(connection)

        try:
            return await self.services.database.within(fenced)
        except psycopg.DatabaseError as error:
            if error.sqlstate == FENCED_OFF:
                raise LockLostError("the database gave the job to another holder") from error
            raise


Work = Callable[[Run], Awaitable[str]]
