"""Runs the service under uvicorn, in this process, until SIGTERM or SIGINT."""

import signal
import socket
import sys
from types import FrameType

import uvicorn

from dealradar.app import build_app
from dealradar.logs import configure_logs
from dealradar.protocol import ProblemProtocol
from dealradar.settings import Settings

DRAIN_SECONDS = 2
# Longer than the idle time of usual clients and balancers, so that they do not send into a connection that is being
# closed.
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2_048


class PortUnavailableError(Exception):
    """The address cannot be listened on."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Listen, answer, drain. Returns when a signal has ended the service. Raises PortUnavailableError."""
    configure_logs(settings.log_level)
    listener = _listen(host, port)
    config = uvicorn.Config(
        build_app(settings),
        log_config=None,
        access_log=False,
        proxy_headers=False,  # which proxies are believed is our own setting
        server_header=False,
        http=ProblemProtocol,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    # uvicorn raises the signal again when it has drained; without this the process would end as if it had been killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    uvicorn.Server(config).run(sockets=[listener])


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise PortUnavailableError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener
