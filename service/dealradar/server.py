"""Runs the service under uvicorn, in this process, until SIGTERM or SIGINT."""

import signal
import socket
import sys
import time
from types import FrameType

import uvicorn

from dealradar.app import build_app
from dealradar.listener import listen, turn_away_newcomers
from dealradar.logs import configure_logs
from dealradar.protocol import ProblemProtocol
from dealradar.settings import Settings
from dealradar.state import Lifecycle

SETTLE_SECONDS = 0.15
FINISH_SECONDS = 2
# Longer than the idle time of usual clients and balancers, so that they do not send into a connection that is being
# closed.
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2_048


class DrainingServer(uvicorn.Server):
    """Goes on for a moment after SIGTERM, so that nobody's request is lost: /health/ready says no, each answer closes
    its connection, new ones are still taken. Then uvicorn finishes what is under way. A second signal cuts this short.
    """

    def __init__(
        self, config: uvicorn.Config, lifecycle: Lifecycle, listener: socket.socket, drain_seconds: float
    ) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._listener = listener
        self._drain_seconds = drain_seconds
        self._closes_at = self._ends_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain."""
        if self._lifecycle.is_draining:
            super().handle_exit(sig, frame)
            return
        self._lifecycle.is_draining = True
        self._closes_at = time.monotonic() + self._drain_seconds
        self._ends_at = self._closes_at + SETTLE_SECONDS
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers.append((b"connection", b"close"))

    async def on_tick(self, counter: int) -> bool:
        """Take no more connections when the moment is over, and end when those that were made are accepted."""
        now = time.monotonic()
        if now >= self._closes_at:
            self._closes_at = float("inf")
            turn_away_newcomers(self._listener)
        if now >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings, host: str, port: int) -> None:
    """Listen, answer, drain. Returns when a signal has ended the service. Raises PortUnavailableError."""
    configure_logs(settings.log_level)
    listener = listen(host, port)
    lifecycle = Lifecycle()
    config = uvicorn.Config(
        build_app(settings, lifecycle),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # which proxies are believed is our own setting
        server_header=False,
        http=ProblemProtocol,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
    # uvicorn raises the signal again when it has drained; without this the process would end as if it had been killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    DrainingServer(config, lifecycle, listener, settings.drain_seconds).run(sockets=[listener])


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
