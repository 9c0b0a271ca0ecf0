"""A service whose certificate an authority of one's own signed: named by SSL_CERT_FILE, it is believed everywhere."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from harness.machine.bundle import root
from harness.probes.trust import verified_pin

PAGE = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>T</title></head><body><h1>T</h1></body></html>'
)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


@pytest.fixture
def url(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", ""])
def test_a_browser_believes_what_the_environment_names_and_nothing_else(url: str, name: str, tmp_path: Path) -> None:
    program = f"from harness.probes.trust import verified_pin; print(repr(verified_pin({url!r})))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SSL_CERT")}
    environment |= {"PYTHONPATH": str(root())} | ({name: str(tmp_path / "ca.pem")} if name else {})
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert (done.stdout.strip() != "''") is bool(name)


def test_no_other_authority_vouches_for_it(url: str, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    program = f"from harness.probes.trust import verified_pin; print(repr(verified_pin({url!r})))"
    environment = {**os.environ, "PYTHONPATH": str(root()), "SSL_CERT_FILE": str(tmp_path / "other.pem")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "''"
    assert verified_pin("http://localhost:1") == ""


def test_its_pages_load(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "e2e", "--url", url, "--json", "--out", str(tmp_path)]
    done = subprocess.run(
        [*command, "--", "-k", "page_loads"],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root()), "SSL_CERT_FILE": str(tmp_path / "ca.pem")},
        check=False,
    )
    run = tmp_path / "runs" / json.loads(done.stdout)["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in lines if line["check"] == "page.loads"] == ["pass"]
