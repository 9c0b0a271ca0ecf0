"""PostgreSQL for the routes: a pool of connections, and a bound on how long anything may take."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

log = logging.getLogger("dealradar.database")
T = TypeVar("T")
Row = dict[str, Any]
Connection = psycopg.AsyncConnection[DictRow]
Params = Sequence[object] | Mapping[str, object]

CONNECTIONS = 10
CONNECT_SECONDS = 2
WAIT_SECONDS = 2.0
# While nothing succeeds, requests are not kept waiting for what will most likely not come.
WAIT_IN_OUTAGE_SECONDS = 0.25
QUERY_SECONDS = 4.0


class DatabaseDownError(Exception):
    """PostgreSQL did not answer in time, or cut the connection."""


class Database:
    """Every method raises DatabaseDownError when there is no answer; other psycopg errors pass through."""

    def __init__(self, url: str, transaction_seconds: float | None = None) -> None:
        """`transaction_seconds` is after how long the server ends a transaction, whatever became of this process."""
        options = f"-c timezone=UTC -c statement_timeout={int(QUERY_SECONDS * 1000)}"
        if transaction_seconds is not None:
            options += f" -c transaction_timeout={int(transaction_seconds * 1000)}"
        self._checks: set[asyncio.Task[None]] = set()
        self._last_succeeded = True
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs={
                "row_factory": dict_row,
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "dealradar",
                "options": options,
            },
            min_size=2,
            max_size=CONNECTIONS,
            timeout=WAIT_SECONDS,
            # Short, so that the growing pauses between attempts never get long: a request then starts the next attempt.
            reconnect_timeout=WAIT_SECONDS,
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect in the background; a database that is away does not stop the start."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close(timeout=1.0)

    async def all(self, sql: LiteralString, params: Params = ()) -> list[Row]:
        """The rows of a query."""

        async def query() -> list[Row]:
            async with self._pool.connection(timeout=self._patience()) as connection:
                return await (await connection.execute(sql, params)).fetchall()

        return await self._bounded(query(), QUERY_SECONDS)

    async def one(self, sql: LiteralString, params: Params = ()) -> Row | None:
        """The first row of a statement, which is committed."""

        async def query() -> Row | None:
            async with self._pool.connection(timeout=self._patience()) as connection:
                return await (await connection.execute(sql, params)).fetchone()

        return await self._bounded(query(), QUERY_SECONDS)

    async def within(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` returns, done in one transaction, which is committed before this returns."""

        async def transaction() -> T:
            async with self._pool.connection(timeout=self._patience()) as connection:
                return await work(connection)

        return await self._bounded(transaction(), QUERY_SECONDS)

    async def ping(self, seconds: float) -> None:
        """Prove by a query that PostgreSQL answers."""

        async def query() -> None:
            async with self._pool.connection(timeout=seconds) as connection:
                await connection.execute("SELECT 1")

        await self._bounded(query(), seconds)

    @property
    def is_up(self) -> bool:
        """Whether the last query got an answer."""
        return self._last_succeeded

    def pool_report(self) -> dict[str, int]:
        """Sizes of the pool, for the performance endpoint."""
        stats = self._pool.get_stats()
        names = ("pool_size", "pool_available", "requests_waiting", "requests_num", "requests_errors")
        return {name: stats.get(name, 0) for name in names}

    async def _bounded(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Wait for a task without waiting for its end once time is up: psycopg, cancelled while the server is frozen,
        goes on trying to cancel the query there for seconds.
        """
        task = asyncio.ensure_future(work)
        # Nobody waits for the end of what is given up; asyncio would complain that nobody did.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            self._last_succeeded = False
            task.cancel()
            raise DatabaseDownError("no answer in time")
        try:
            result = task.result()
        except PoolTimeout as error:
            self._last_succeeded = False
            raise DatabaseDownError("no connection") from error
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.TransactionTimeout) as error:
            self._check_pool()
            raise DatabaseDownError(type(error).__name__) from error
        self._last_succeeded = True
        return result

    def _patience(self) -> float:
        return WAIT_SECONDS if self._last_succeeded else WAIT_IN_OUTAGE_SECONDS

    def _check_pool(self) -> None:
        """After one connection broke, test the others in the background rather than on the requests to come."""
        if self._checks:
            return

        async def check() -> None:
            with contextlib.suppress(psycopg.Error, TimeoutError):
                await asyncio.wait_for(self._pool.check(), WAIT_SECONDS)

        task = asyncio.create_task(check())
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)


@contextlib.asynccontextmanager
async def opened(url: str, transaction_seconds: float | None = None) -> AsyncIterator[Database]:
    """A database that is closed again."""
    database = Database(url, transaction_seconds)
    await database.open()
    try:
        yield database
    finally:
        await database.close()
