"""`allow.read_hosts`: pages read what they are made of from a host of others, and send nothing else to it."""

from __future__ import annotations

import pytest

from tests.scripted_server import Line, ScriptedServer
from tests.suite_session import Bench

SERVICE = """
import http.server, os

THERE = os.environ["THERE"]
PAGE = '''<!doctype html><html lang=en><head><title>Made of parts</title></head><body><main><h1>plain</h1></main>
<script src="{there}/part.js"></script><script src="{there}/moved.js"></script>
<iframe name=aside></iframe><form id=form method=post target=aside></form>
<a id=ping ping="{there}/ping" href="#top">x</a>
<script>
const there = "{there}", waits = [], post = {{ method: "POST", mode: "no-cors", body: "x" }}
const wait = promise => waits.push(Promise.race([promise, new Promise(end => setTimeout(end, 1500))]).catch(() => 0))
for (const method of ["POST", "PUT", "DELETE"]) wait(fetch(there + "/write", {{ method, mode: "cors" }}))
wait(fetch(there + "/simple", post))
for (const status of [307, 308]) {{
    wait(fetch("/move" + status, post))
    wait(fetch("/move" + status, {{ method: "PUT", body: "x", mode: "cors" }}))
    wait(fetch(there + "/back" + status).catch(() => 0))
}}
navigator.sendBeacon(there + "/beacon", "x")
navigator.sendBeacon("/move307", "x")
new WebSocket((there + "/socket").replace("http", "ws"))
document.getElementById("ping").click()
const form = document.getElementById("form")
form.action = "/move308"; form.submit()
form.target = "_blank"; form.action = "/move307"; form.submit()
form.action = there + "/form"; form.submit()
wait(navigator.serviceWorker.register("/worker.js").then(() => navigator.serviceWorker.ready))
wait(new Promise(end => new Worker("/worker.js").onmessage = end))
wait(new Promise(end => new SharedWorker("/worker.js").port.onmessage = end))
const inside = document.createElement("iframe")
inside.srcdoc = `<script>fetch("${{there}}/inside", {{ method: "POST", mode: "no-cors", body: "x" }})</` + "script>"
document.body.append(inside)
wait(new Promise(end => setTimeout(end, 1000)))
fetch(there + "/read", {{ mode: "no-cors" }}).then(() => Promise.all(waits)).then(() => document.title = "done")
</script></body></html>'''.format(there=THERE).encode()
WORKER = '''
fetch("{there}/worker", {{ method: "POST", mode: "no-cors", body: "x" }}).catch(() => 0)
fetch("/move307", {{ method: "POST", mode: "no-cors", body: "x" }}).catch(() => 0)
new WebSocket("{there}/workersocket".replace("http", "ws"))
'''.format(there=THERE).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        moved = self.path.startswith("/move")
        body = WORKER if self.path == "/worker.js" else PAGE
        self.send_response(int(self.path[5:]) if moved else 200)
        if moved:
            self.send_header("Location", THERE + self.path)
        self.send_header("Content-Type", "text/javascript" if self.path == "/worker.js" else "text/html")
        self.send_header("Content-Security-Policy-Report-Only", "img-src 'none'; report-uri " + THERE + "/report")
        self.send_header("Reporting-Endpoints", 'default="' + THERE + '/reports"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = answer

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


READ = {"GET /part.js", "GET /moved.js", "GET /there.js", "GET /read", "GET /back307", "GET /back308"}


@pytest.mark.parametrize(
    ("allowed", "heading", "methods"),
    [
        ("", "plain", set()),
        ('read_hosts = ["127.0.0.3"]', "of parts", READ),
    ],
    ids=["nobody allowed it", "to read"],
)
def test_a_page_sends_no_more_than_reads_to_a_host_to_read_from(tmp_path, allowed, heading, methods) -> None:
    asked: set[str] = set()

    def script(line: Line) -> None:
        while request := line.read():
            asked.add(path := " ".join(request.decode().split(" ")[:2]))
            if path == "GET /moved.js":
                line.say(b"HTTP/1.1 302 Found\r\nLocation: /there.js\r\nContent-Length: 0\r\n\r\n")
                continue
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
