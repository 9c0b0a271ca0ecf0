"""`allow.read_hosts`: pages read what they are made of from a host of others, and send nothing else to it."""

from __future__ import annotations

import pytest

from tests.scripted_server import Line, ScriptedServer
from tests.suite_session import Bench

SERVICE = """
import http.server, os

PAGE = '''<!doctype html><html lang=en><head><title>Made of parts</title></head><body><main><h1>plain</h1></main>
<script src="{there}/part.js"></script><script>
for (const method of ["POST", "PUT", "DELETE"]) fetch("{there}/write", {{ method, mode: "cors" }}).catch(() => 0)
navigator.sendBeacon("{there}/beacon", "x")
new WebSocket("{there}/socket".replace("http", "ws"))
fetch("{there}/read", {{ mode: "no-cors" }}).then(() => document.title = "done")
</script></body></html>'''.format(there=os.environ["THERE"]).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
SUITE = """
import pytest
from playwright.sync_api import expect

@pytest.mark.check("probe.page")
def test_page(page):
    page.goto("/")
    expect(page.get_by_role("heading")).to_have_text("{heading}")
    if {waits}:
        expect(page).to_have_title("done")
"""


@pytest.mark.parametrize(
    ("allowed", "heading", "methods"),
    [
        ("", "plain", set()),
        ('read_hosts = ["127.0.0.3"]', "of parts", {"GET /part.js", "GET /read"}),
    ],
    ids=["nobody allowed it", "to read"],
)
def test_a_page_sends_no_more_than_reads_to_a_host_to_read_from(tmp_path, allowed, heading, methods) -> None:
    asked: set[str] = set()

    def script(line: Line) -> None:
        while request := line.read():
            asked.add(" ".join(request.decode().split(" ")[:2]))
            body = b"document.querySelector('h1').textContent = 'of parts'"
            line.say(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    bench = Bench(tmp_path)
    with ScriptedServer(script, "127.0.0.3") as stranger:
        bench.describe(service=SERVICE)
        described = bench.profile.read_text().replace("[service.env]", f'[service.env]\nTHERE = "{stranger.url}"')
        bench.profile.write_text(f'{described}\n[pages]\npaths = ["/"]\n[allow]\n{allowed}\n')
        bench.suite(SUITE.replace("{heading}", heading).replace("{waits}", str(bool(allowed))))
        ended = bench.run()
    assert ended.the("probe.page")["outcome"] == "pass", ended.out
    assert asked == methods
