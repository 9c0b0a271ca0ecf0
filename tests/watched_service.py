"""A small service that a test can break and mend while it is watched, and a place that takes alerts."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class Said:
    """An answer."""

    status: int = 200
    body: bytes = b'{"ok": true}'
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[str, int], Said]
"""(path, how often it was asked) -> the answer."""


class Served:
    """A server on loopback that answers as a script says; `script` may be replaced at any time."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self.script = script
        self.asked: Counter[str] = Counter()
        self.posted: list[dict[str, object]] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                served.asked[self.path] += 1
                self.say(served.script(self.path, served.asked[self.path]))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                served.asked[self.path] += 1
                said = served.script(self.path, served.asked[self.path])
                if said.status < 300:
                    served.posted.append(json.loads(body))
                self.say(said)

            def say(self, said: Said) -> None:
                self.send_response(said.status)
                for name, value in {"Content-Type": said.kind, **said.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        # whoever asks may leave before the answer
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


PATHS = ("/items", "/orders", "/health")


def healthy(path: str, _number: int) -> Said:
    """Three paths, described, and nothing else."""
    if path == "/openapi.json":
        gets = {each: {"get": {"responses": {"200": {"description": "ok"}}}} for each in PATHS}
        document = {"openapi": "3.1.0", "info": {"title": "shop", "version": "1"}, "paths": gets}
        return Said(body=json.dumps(document).encode())
    return Said() if path in PATHS else Said(status=404)


def every_twentieth_order_fails(path: str, number: int) -> Said:
    """5 % of one path."""
    return Said(status=500) if path == "/orders" and number % 20 == 0 else healthy(path, number)


def every_third_order_fails(path: str, number: int) -> Said:
    """Enough to be noticed soon."""
    return Said(status=500) if path == "/orders" and number % 3 == 0 else healthy(path, number)
