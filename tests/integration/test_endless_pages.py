"""Pages that go on asking, streams that never end, and an address with a path of its own, in a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.machine.bundle import root

HEAD = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>T</title></head><body><main><h1>T</h1>'
PAGES = {
    "/shop/": "",
    "/shop/long-poll": "<script>(function f() { fetch('/shop/never').then(f) })()</script>",
    "/shop/poll": "<script>setInterval(() => fetch('/shop/tick'), 200)</script>",
    "/shop/events": "<script>new EventSource('/shop/stream')</script>",
    "/shop/camera": '<img src="/shop/stream" alt="camera">',
    "/shop/who": "<script>fetch('/shop/me')</script>",
    "/shop/given-up": "<script>const asked = new AbortController(), heard = new EventSource('/shop/stream');"
    "fetch('/shop/never', {signal: asked.signal}).catch(() => {});"
    "setTimeout(() => { asked.abort(); heard.close() }, 50)</script>",
    "/shop/elsewhere": "<script>location.replace('/shop/')</script>",
    "/shop/hanging": '<img src="/shop/never" alt="late">',
    "/shop/busy": "<script>setTimeout(() => { for (;;); }, 300)</script>",
    "/shop/saying": "<script>setInterval(() => { for (const x of Array(9)) console.log('x'.repeat(2e5)) }, 1)</script>",
    "/shop/deep": "<script>let at = document.body; for (let i = 0; i < 2e5; i++) {"
    "const below = document.createElement('div'); at.append(below); at = below }</script>",
    "/shop/broken": "<script src='/shop/gone.js'></script>",
    "/shop/failing": "<script>fetch('/shop/fails')</script>",
    "/shop/limited": "",
    "/shop/lacking": "<script>fetch('/shop/gone')</script>",
    "/shop/picture": '<img src="/shop/gone.png" alt="gone">',
}
SOUND = ("/", "/long-poll", "/poll", "/events", "/camera", "/who", "/given-up", "/elsewhere")
SAID = {
    "/hanging": "/shop/never: no answer within 3 s",
    "/broken": "/shop/gone.js: 404",
    "/failing": "/shop/fails: 500",
    # which of the two comes first is the machine's affair
    "/saying": "said without end|keep the page busy",
    "/deep": "GET /deep in a browser: the page crashed what shows it",
    "/busy": "scripts of /busy keep the page busy",
}
LACKING = {"/lacking": "/shop/gone: 404", "/picture": "/shop/gone.png: 404"}
"""Pages that load, and ask for what is not there."""


class Shop(BaseHTTPRequestHandler):
    """Below /shop; what lies beside it is broken."""

    protocol_version = "HTTP/1.1"
    over = threading.Event()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        statuses = {"/shop/tick": 200, "/shop/me": 401, "/shop/fails": 500}
        if not self.path.startswith("/shop"):
            self.say(500, b"beside the shop", "text/plain")
        elif self.path == "/shop/never":
            self.over.wait(60)
            self.close_connection = True
        elif self.path == "/shop/stream":
            self.stream()
        elif self.path in PAGES:
            limited = self.path == "/shop/limited" and "Mozilla" in self.headers.get("User-Agent", "")
            self.say(429 if limited else 200, f"{HEAD}{PAGES[self.path]}</main></body></html>".encode(), "text/html")
        else:
            self.say(statuses.get(self.path, 404), b"{}", "application/json")

    def say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self) -> None:
        is_events = "text/event-stream" in self.headers.get("Accept", "")
        self.send_response(200)
        kind = "text/event-stream" if is_events else "multipart/x-mixed-replace; boundary=x"
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.over.wait(0.2):
                self.wfile.write(b"data: x\n\n")
        except OSError:
            return


@pytest.fixture
def url() -> Iterator[str]:
    handler = type("AShop", (Shop,), {"over": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/shop"
    handler.over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.timeout(300)
def test_a_page_is_loaded_when_its_document_is(url: str, tmp_path: Path) -> None:
    paths = json.dumps([*SOUND, *SAID, *LACKING, "/limited"])
    profile = tmp_path / "shop.toml"
    profile.write_text(
        f'schema = 1\nname = "shop"\n[service]\nurl = "{url}"\ntimeout_s = 3\n[pages]\npaths = {paths}\n',
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "e2e",
        "--target",
        str(profile),
        "--json",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(
        [*command, "--", "-k", "page_loads or known_path or asks_for_is_there"],
        capture_output=True,
        text=True,
        timeout=250,
        cwd=tmp_path,
        # a proxy of the environment's is for the world outside
        env={
            **os.environ,
            "PYTHONPATH": str(root()),
            "HTTP_PROXY": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        },
        check=False,
    )
    assert done.returncode == 1, done.stderr
    run = tmp_path / "runs" / json.loads(done.stdout)["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    loaded = {line["subject"]: line for line in lines if line["check"] == "page.loads"}
    assert {path: loaded[path]["outcome"] for path in SOUND} == dict.fromkeys(SOUND, "pass")
    assert {path: loaded[path]["outcome"] for path in LACKING} == dict.fromkeys(LACKING, "pass")
    assert loaded["/limited"]["outcome"] == "skip"
    parts = {line["subject"]: line for line in lines if line["check"] == "page.parts"}
    assert {path for path in parts if parts[path]["outcome"] == "fail"} == set(LACKING)
    assert all(said in parts[path]["detail"]["message"] for path, said in LACKING.items())
    for path, said in SAID.items():
        assert loaded[path]["outcome"] == "fail"
        assert re.search(said, loaded[path]["detail"]["message"])
    assert {line["outcome"] for line in lines if line["check"] == "api.answers"} == {"pass"}
