"""A service with a history whose answers come from a database, some by way of a cache, and what corrupts its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import psycopg
import redis

from tests.released_service import Released

SERVICE = """\
import http.server, os, signal, threading
import psycopg, redis

RELEASE = "{release}"
CACHE = redis.Redis.from_url(os.environ["CACHE"], decode_responses=True)


def words():
    with psycopg.connect(os.environ["STORE"]) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM items ORDER BY id")]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, text = 200, RELEASE
        if self.path == "/items":
            text = ",".join(map(str, words()))
            status = 500 if "None" in text else 200
        if self.path == "/kept":
            text = CACHE.get("kept")
            if text is None:
                text = ",".join(map(str, words()))
                CACHE.set("kept", text)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
PREPARE = """\
import os, psycopg
with psycopg.connect(os.environ["STORE"]) as connection:
    connection.execute("CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, word text)")
    connection.execute("INSERT INTO items (word) VALUES ('red'), ('green'), ('blue')")
"""
WORKER = """\
import time
print("at work", flush=True)
while True:
    time.sleep(60)
"""
CORRUPT = "UPDATE items SET word = NULL WHERE id = 2; DELETE FROM items WHERE id = 1;"
MORE = """
[service.env]
STORE = "{database_url}"
CACHE = "{redis_url}"

[workers]
command = ["python", "worker.py"]
ready = "at work"
count = 1

[load.paths]
"/items" = 1
"/kept" = 1
"""
DRILL = """
[releases.drill]
migration = "corrupt.sql"
"""


class Stored(Released):
    """Tag `good`, which the folder holds."""

    planned = ""
    """Where the data of a rollback that was killed would lie."""

    def __init__(self, folder: Path, more: str = "") -> None:
        (folder / "corrupt.sql").write_text(CORRUPT)
        super().__init__(folder)
        self.describe(more)
        self.store_release("good")
        self.git("tag", "good")

    def describe(self, more: str = "") -> None:
        """Write the profile anew."""
        needs, prepare = '"postgres", "valkey"', 'prepare = [["python", "prepare.py"]]'
        path = self.profile(needs=needs, service=prepare, more="")
        head = path.read_text().partition("[load.paths]")[0]
        path.write_text(head + MORE + DRILL + more)

    def store_release(self, name: str, **files: str) -> None:
        """Commit the service as that release."""
        self.program(SERVICE.format(release=name), **{"prepare.py": PREPARE, "worker.py": WORKER, **files})

    def go_bad(self) -> None:
        """Roll to a release that corrupts data, and let the cache be full of what it says."""
        self.store_release("bad")
        self.roll()
        self.run_sql(CORRUPT)
        with redis.Redis.from_url(self.info()["redis_url"]) as cache:
            cache.delete("kept")
        assert self.get("/kept").text.startswith("None,blue")
        assert self.get("/items").status_code == 500

    def run_sql(self, text: str) -> list[Any]:
        with psycopg.connect(self.info()["database_url"]) as connection:
            found = connection.execute(text)
            return found.fetchall() if found.description else []

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.info()["url"] + path)

    def servers(self) -> list[str]:
        """Command lines of the Postgres servers that the stack's supervisor has."""
        return self.processes("/postgres -D")
