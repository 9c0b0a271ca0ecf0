"""The service that gates are lied to about: sound, unless `HOW` names one way in which it is not.

Run as a program: `python service.py`, with `PORT`; `LIMIT` requests in `WINDOW_S` seconds a client, 0 for no limit.
"""

from __future__ import annotations

import http.server
import os
import signal
import sys
import threading
import time
from collections import defaultdict, deque

BODY = b'{"fine": true, "names": ["one"]}'
PATHS = ("/", "/ready", "/item", "/other", "/version")


class Limiter:
    """Counts requests by address over a sliding window."""

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self._served: defaultdict[str, deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def wait_s(self, client: str) -> float:
        """0 if this request may be served, else the seconds until one may."""
        if not self.limit:
            return 0.0
        with self._lock:
            served, now = self._served[client], time.monotonic()
            while served and served[0] + self.window_s <= now:
                served.popleft()
            if len(served) >= self.limit:
                return served[0] + self.window_s - now
            served.append(now)
            return 0.0


HOW = os.environ.get("HOW", "well")
LIMITER = Limiter(int(os.environ.get("LIMIT", "0")), float(os.environ.get("WINDOW_S", "1")))


class SmallServiceHandler(http.server.BaseHTTPRequestHandler):
    """Answers every known path alike."""

    protocol_version = "HTTP/1.1"
    asked = False
    """Whether `/item` was asked for before, by anybody."""

    def do_GET(self) -> None:
        """Answer, or refuse who asks too often."""
        wait = LIMITER.wait_s(self.client_address[0]) if self.path != "/ready" else 0.0
        status = 429 if wait else self._status()
        body = BODY
        if self.path == "/version":
            body = b'{"build": "2"}' if HOW == "deployed" and SmallServiceHandler.asked else b'{"build": "1"}'
        self.send_response(status)
        if wait:
            self.send_header("Retry-After", str(int(wait) + 1))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _status(self) -> int:
        """Of a request that is served."""
        if self.path != "/item":
            return 200 if self.path in PATHS else 404
        broken = HOW == "broken" or (HOW == "broken at first" and not SmallServiceHandler.asked)
        SmallServiceHandler.asked = True
        return 503 if broken else 200

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nobody reads it."""


def main() -> None:
    """Serve until somebody ends us; not at all if `HOW` is "dead"."""
    if HOW == "dead":
        sys.exit("no such table: items")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), SmallServiceHandler).serve_forever()


if __name__ == "__main__":
    main()
