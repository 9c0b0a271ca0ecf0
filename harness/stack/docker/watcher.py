"""Stands in for one container among a stack's processes, and removes what a stack left in Docker; a small program.

    python -I -S watcher.py follow SOCKET CONTAINER GRACE [SINCE]
    python -I -S watcher.py reap SOCKET LABEL [NETWORK]

`follow` copies a started container's output to its own, and ends with the container's exit status. A container that
ended by itself is kept: it may be started again, and followed from SINCE on, which is when it had ended. SIGTERM stops
the container (GRACE seconds after its stop signal it is killed; 0 kills at once) and removes it. SIGQUIT is what the
kernel sends when the stack's supervisor was killed: then nobody else is left to remove what had ended before, and the
network, so the last one does.

`reap` removes every container and volume with the label `LABEL` (KEY=VALUE), and the network.

The standard library alone, over the daemon's socket: it must work when the harness and its packages are gone.
"""

from __future__ import annotations

import calendar
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.parse
from typing import Any

_REAP_SECONDS = 7.0
_REQUEST_SECONDS = 20.0
STACK_LABEL = "harness.stack"
NETWORK_LABEL = "harness.network"
DAEMON_LOST = signal.SIGUSR1
"""Signal by which a watch ends itself where the daemon, not the container, ended it: no exit status of a container."""
_FAILED = 1


class RefusedError(Exception):
    """The daemon answered with an error; its status is the first argument."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("docker")
        self._path = path
        self._seconds = timeout

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(self._path)


def _open(path: str, method: str, url: str, timeout: float | None) -> http.client.HTTPResponse:
    connection = _Connection(path, timeout)
    connection.request(method, url)
    answer = connection.getresponse()
    if answer.status >= 400:
        raise RefusedError(answer.status, answer.read(2000).decode(errors="replace"))
    return answer


def _ask(path: str, method: str, url: str, timeout: float | None = _REQUEST_SECONDS) -> Any:  # noqa: ANN401 - JSON
    body = _open(path, method, url, timeout).read()
    return json.loads(body) if body else None


def copy_output(stream: http.client.HTTPResponse, out: int) -> None:
    """Copy a multiplexed log: frames of eight bytes (which stream, three unused, length) and a text."""
    while len(head := stream.read(8)) == 8:
        text = stream.read(int.from_bytes(head[4:], "big"))
        while text:
            text = text[os.write(out, text) :]


class Follower:
    """Watches one container until it ends."""

    def __init__(self, path: str, container: str, grace: int, since: str) -> None:
        self._path = path
        self._url = f"/containers/{container}"
        self._grace = grace
        self._since = since
        self._orphaned = False
        self._stopping = False

    def run(self) -> int:
        """Copy the output of this run of it, and wait for its end; returns its exit status."""
        signal.signal(signal.SIGTERM, self._asked_to_stop)
        # the last thing that whoever started this waits for
        signal.signal(signal.SIGQUIT, self._asked_to_stop)
        labels = _ask(self._path, "GET", f"{self._url}/json")["Config"]["Labels"] or {}
        query = f"follow=1&stdout=1&stderr=1&since={_moment(self._since) if self._since else 0}"
        copy_output(_open(self._path, "GET", f"{self._url}/logs?{query}", None), 1)
        status = int(_ask(self._path, "POST", f"{self._url}/wait", None)["StatusCode"])
        if self._stopping:
            _remove(self._path, self._url)
        if self._orphaned:
            self._clear_up(labels)
        return min(status, 255)

    def _clear_up(self, labels: dict[str, str]) -> None:
        """What the supervisor would have done, as far as no other watch has it still to do."""
        ended = {"label": [f"{STACK_LABEL}={labels.get(STACK_LABEL, '')}"], "status": ["created", "exited", "dead"]}
        for entry in _find(self._path, "/containers/json?all=1&", ended):
            _remove(self._path, f"/containers/{entry['Id']}")
        if network := labels.get(NETWORK_LABEL):
            # refused as long as another container is in it; the last one succeeds
            with contextlib.suppress(RefusedError):
                _ask(self._path, "DELETE", f"/networks/{network}")

    def _asked_to_stop(self, number: int, _frame: object) -> None:
        self._orphaned = self._orphaned or number == signal.SIGQUIT
        if not self._stopping:
            self._stopping = True
            # in a thread: the output that the container still has to say is copied meanwhile
            threading.Thread(target=self._stop, daemon=True).start()

    def _stop(self) -> None:
        how = f"stop?t={self._grace}" if self._grace else "kill"
        with contextlib.suppress(RefusedError, OSError):
            _ask(self._path, "POST", f"{self._url}/{how}", self._grace + _REQUEST_SECONDS)


def reap(path: str, label: str, network: str) -> bool:
    """Remove all containers and volumes with that label, then the network; returns whether nothing is left."""
    filters = {"label": [label]}
    deadline = time.monotonic() + _REAP_SECONDS
    pause = 0.02
    while not _reaped(path, filters, network):
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.5)
    return True


def _reaped(path: str, filters: dict[str, list[str]], network: str) -> bool:
    try:
        containers = [f"/containers/{entry['Id']}" for entry in _find(path, "/containers/json?all=1&", filters)]
        volumes = [f"/volumes/{entry['Name']}" for entry in _find(path, "/volumes?", filters)["Volumes"] or ()]
        for found in (containers, volumes):
            _remove_all(path, found)
        return not containers and not volumes and (not network or _network_gone(path, network))
    except (OSError, http.client.HTTPException):
        # a daemon that is being restarted is back soon
        return False


def _find(path: str, what: str, filters: dict[str, list[str]]) -> Any:  # noqa: ANN401 - JSON
    return _ask(path, "GET", f"{what}filters={urllib.parse.quote(json.dumps(filters))}")


def _remove_all(path: str, urls: list[str]) -> None:
    removals = [threading.Thread(target=_remove, args=(path, url)) for url in urls]
    for removal in removals:
        removal.start()
    for removal in removals:
        removal.join()


def _remove(path: str, url: str) -> None:
    # gone, or being removed by another: the next look tells
    with contextlib.suppress(RefusedError, OSError):
        _ask(path, "DELETE", f"{url}?v=1&force=1")


def _moment(text: str) -> str:
    """A moment of the daemon (`2026-01-31T09:30:00.123456789Z`) in seconds since 1970, as its logs are asked for."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{calendar.timegm(time.strptime(whole, '%Y-%m-%dT%H:%M:%S'))}.{fraction or '0':0<9}"


def _network_gone(path: str, network: str) -> bool:
    try:
        _ask(path, "DELETE", f"/networks/{urllib.parse.quote(network)}")
    except RefusedError as error:
        return bool(error.args[0] == http.client.NOT_FOUND)
    return True


def main() -> int:
    """Do what the arguments say."""
    match sys.argv[1:]:
        case ["follow", path, container, grace, *since]:
            work = Follower(path, container, int(grace), "".join(since)).run
        case ["reap", path, label, *network]:
            return 0 if reap(path, label, "".join(network)) else _FAILED
        case _:
            raise SystemExit(str(__doc__))
    try:
        return work()
    except (RefusedError, OSError, http.client.HTTPException, ValueError) as error:
        sys.stderr.write(f"the Docker daemon let go: {error}\n")
        sys.stderr.flush()
        signal.raise_signal(DAEMON_LOST)
        return _FAILED


if __name__ == "__main__":
    sys.exit(main())
