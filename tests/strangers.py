"""Services that answer as a test says, and the drafts that `harness init` makes of them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.cli.main import run_command
from harness.config import load_target
from harness.model import Target

Reply = tuple[int, dict[str, str], str]
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
NOTHING: Reply = (404, {}, "")


@dataclass
class Stranger:
    """A service that answers as `reply(path, headers)` says, and what it was asked."""

    reply: Callable[[str, Any], Reply]
    asked: list[tuple[str, str]] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def paths(self) -> list[str]:
        return [path for _, path in self.asked]


@contextmanager
def serving() -> Iterator[Callable[[Callable[[str, Any], Reply]], Stranger]]:
    """What starts a stranger that answers so; all of them end with it."""
    servers = []

    def start(reply: Callable[[str, Any], Reply]) -> Stranger:
        stranger = Stranger(reply)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                stranger.asked.append((self.command, self.path))
                stranger.cookies += self.headers.get_all("Cookie", [])
                self.headers["peer"] = self.client_address[0]
                status, headers, body = stranger.reply(self.path, self.headers)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer  # noqa: N815 - the base class's names

            def log_message(self, *words: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        servers.append(server)
        stranger.url = f"http://127.0.0.1:{server.server_port}"
        return stranger

    try:
        yield start
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def drafted(url: str, folder: Path) -> tuple[Target, str]:
    """The target of a draft that the command wrote, and the draft's text."""
    path = folder / f"draft-{secrets.token_hex(4)}.toml"
    assert run_command(["init", url, "--name", "drafted", "--out", str(path)]) == 0
    return load_target(str(path), folder), path.read_text(encoding="utf-8")
