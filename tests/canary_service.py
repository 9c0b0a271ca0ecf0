"""A service that tells all that it knows: its settings, what it was sent, and, where it is broken, its secrets."""

import http.server
import json
import os
from urllib.parse import urlsplit

BROKEN = os.environ.get("MOOD") == "broken"
TOKEN, COOKIE = os.environ["CANARY_TOKEN"], os.environ["CANARY_COOKIE"]
SECRETS = " ".join(value for name, value in os.environ.items() if "ZZ" in value)
PAGE = "<!doctype html><html lang=en><head><title>t</title></head><body><main><h1>x</h1>{}</main></body></html>"
FORM = (
    "<form method=post action=/form><label>u<input id=u name=u></label>"
    "<label>p<input id=p name=p type=password></label><button>go</button></form>"
)
for name, value in os.environ.items():
    print("env", name, "=", value, flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, text, kind="text/html; charset=utf-8", more=()):
        data = text.encode()
        self.send_response(status)
        given = (("Content-Type", kind), ("Content-Length", str(len(data))), ("X-Content-Type-Options", "nosniff"))
        for name, value in (*given, *more):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_POST(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        print("POST", self.path, sent, dict(self.headers), flush=True)
        cookie = ("Set-Cookie", f"sid={COOKIE}; Path=/")
        if self.path == "/login":
            return self.answer(200, json.dumps({"access_token": TOKEN}), "application/json", [cookie])
        if self.path == "/form":
            return self.answer(302, "", more=[("Location", f"/private?session_token={COOKIE}"), cookie])
        return self.answer(404, "no")

    def do_GET(self):
        print("GET", self.path, dict(self.headers), flush=True)
        path = urlsplit(self.path).path
        if path == "/":
            return self.answer(500 if BROKEN else 200, PAGE.format(f"dump {SECRETS}" if BROKEN else ""))
        if path == "/form":
            return self.answer(200, PAGE.format(FORM))
        if path == "/private":
            known = "sid=" in self.headers.get("Cookie", "")
            told = f"<p>{COOKIE}</p><script>console.error('{COOKIE} {TOKEN} {SECRETS}')</script>" if BROKEN else ""
            return self.answer(200 if known else 401, PAGE.format(told))
        if path == "/health":
            return self.answer(200, "{}", "application/json")
        return self.answer(404, f"no {SECRETS}" if BROKEN else "no")

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler).serve_forever()
