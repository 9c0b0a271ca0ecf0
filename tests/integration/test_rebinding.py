"""A name that means another address when it is looked up again: every process of a run stays at the first one."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.machine.bundle import root

RESOLVER = """
import os, socket
known = socket.getaddrinfo

def getaddrinfo(host, *words, **more):
    if host in ("rebinding.test", b"rebinding.test"):
        with open(os.environ["LOOKED_UP"], "a+") as file:
            host = "127.0.0.3" if file.tell() else "127.0.0.1"
            file.write(f"{os.getpid()}\\n")
    return known(host, *words, **more)

socket.getaddrinfo = getaddrinfo
"""
PROFILE = """schema = 1
name = "rebinding"
[service]
url = "http://rebinding.test:{port}"
[pages]
paths = ["/"]
[load]
rate = 20
[load.paths]
"/" = 1
[allow]
hosts = ["rebinding.test"]
"""
PAGE = b"<!doctype html><html lang=en><head><title>t</title></head><body><main><h1>x</h1></main></body></html>"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_words: object) -> None:
        return


@contextmanager
def _serving(host: str, port: int = 0) -> Iterator[tuple[int, list[str]]]:
    with http.server.ThreadingHTTPServer((host, port), _Handler) as server:
        server.daemon_threads = True
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], server.asked  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "words",
    [
        ("run", "e2e", "-n", "2"),
        ("run", "security", "-n", "2", "--", "-k", "headers or cors"),
        ("load", "--duration", "2s"),
        ("preflight",),
    ],
    ids=["pages", "requests", "load", "preflight"],
)
def test_a_name_that_leads_elsewhere_later_is_not_followed(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "sitecustomize.py").write_text(RESOLVER)
    settings = {"PYTHONPATH": str(tmp_path), "LOOKED_UP": str(tmp_path / "looked-up")}
    with _serving("127.0.0.1") as (port, asked), _serving("127.0.0.3", port) as (_, asked_elsewhere):
        profile = tmp_path / "rebinding.toml"
        profile.write_text(PROFILE.format(port=port))
        command = [sys.executable, "-m", "harness", words[0], "--target", str(profile), "--out", str(tmp_path / "out")]
        done = subprocess.run(
            [*command, *words[1:]],
            cwd=root(),
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1, 3), done.stderr
    assert asked
    assert asked_elsewhere == []
    # whoever looked it up was one process
    assert len((tmp_path / "looked-up").read_text().split()) == 1
