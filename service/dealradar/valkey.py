"""The connection to Valkey, with a memory of its failures.

Valkey makes things quicker and counts requests over all instances; nothing is lost when it is away. So a call fails
fast, and for a moment after a failure none is tried: a frozen server costs one request its time-out, not every
request.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import hiredis
import redis.exceptions
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

log = logging.getLogger("dealradar.valkey")
T = TypeVar("T")

TIMEOUT_SECONDS = 0.5
# Of a call, which is several exchanges, each with the time-out above, and a wait for a connection.
CALL_SECONDS = 3.0
PAUSE_SECONDS = 1.0
CONNECTIONS = 32


class ValkeyDownError(Exception):
    """Valkey did not answer, or did not a moment ago."""


class Valkey:
    """One pool of connections; every call goes through `run`, or through `command` where each microsecond counts."""

    def __init__(self, url: str) -> None:
        # The client's own default is ten retries: 4.6 s until a refused connection is reported.
        once = Retry(NoBackoff(), 0)
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT_SECONDS,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=once,
        )
        self._client = Redis.from_pool(pool)
        # Makes connections for `command`, which has one time-out for all of an exchange: that is cheaper than one each
        # for writing and reading.
        self._maker = ConnectionPool.from_url(url, socket_timeout=None, retry=once)
        self._idle: list[AbstractConnection] = []
        self._places = asyncio.Semaphore(CONNECTIONS)
        self._paused_until = 0.0
        self._is_down = False

    async def run(self, call: Callable[[Redis], Awaitable[T]]) -> T:
        """Make one call. Raises ValkeyDownError."""
        self._check_pause()
        return await self._try(self._bounded(call))

    async def command(self, *words: str | int) -> Any:  # noqa: ANN401  # whatever the command replies
        """Send one command, at less than half of what the client's own way costs.

        Raises ValkeyDownError; NoScriptError where a script is not known.
        """
        self._check_pause()
        return await self._try(self._send(words))

    async def _send(self, words: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        async with asyncio.timeout(TIMEOUT_SECONDS), self._places:
            if not self._idle:
                return await self._exchange(self._new_connection(), words)
            try:
                return await self._exchange(self._idle.pop(), words)
            except redis.exceptions.ConnectionError:
                # A server that was restarted has closed all that were idle.
                await self._close_idle()
                return await self._exchange(self._new_connection(), words)

    async def _exchange(self, connection: AbstractConnection, words: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        """Leaves the connection among the idle ones, unless it broke: then it has disconnected itself."""
        await connection.send_packed_command(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub knows one word
        try:
            reply = await connection.read_response()
        except NoScriptError:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return reply

    def _new_connection(self) -> AbstractConnection:
        made: AbstractConnection = self._maker.make_connection()  # type: ignore[no-untyped-call]
        return made

    async def _close_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    async def ping(self) -> None:
        """Ask whether Valkey answers, even in the pause after a failure. Raises ValkeyDownError."""
        await self._try(self._bounded(lambda client: client.ping()))
        self._paused_until = 0.0

    def _check_pause(self) -> None:
        if time.monotonic() < self._paused_until:
            raise ValkeyDownError

    async def _bounded(self, call: Callable[[Redis], Awaitable[T]]) -> T:
        async with asyncio.timeout(CALL_SECONDS):
            return await call(self._client)

    async def _try(self, call: Awaitable[T]) -> T:
        try:
            result = await call
        except NoScriptError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            if not self._is_down:
                self._is_down = True
                log.warning("valkey does not answer", extra={"error": type(error).__name__})
            raise ValkeyDownError from error
        if self._is_down:
            self._is_down = False
            log.info("valkey answers again")
        return result

    @property
    def is_up(self) -> bool:
        """Whether the last call got an answer."""
        return not self._is_down

    async def close(self) -> None:
        """Give the connections back."""
        await self._close_idle()
        await self._client.aclose()
