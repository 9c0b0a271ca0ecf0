"""Wire mutants on a real wire: our proxy before a small service, and a client that speaks to it."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from harness.prove.wire.mutant import WireMutant
from harness.proxy import running_proxy
from tests.prove_exchanges import SEED, wire

LIMIT = 3
ANSWERS = Counter()
"""By port, path and client."""


class Service(BaseHTTPRequestHandler):
    """Counts its answers, compresses them for whoever takes that, and limits clients on one path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        client = self.headers.get("X-Forwarded-For", self.client_address[0])
        key = (self.server.server_port, self.path, client)
        ANSWERS[key] += 1
        refused = self.path == "/limited" and ANSWERS[key] > LIMIT
        body = json.dumps({"count": ANSWERS[key], "title": "a lamp"}).encode()
        self.send_response(429 if refused else 200)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{ANSWERS[key]}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_args):
        """Not into the tests' output."""


@pytest.fixture
def service():
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def behind(service):
    """`behind(operator, **args)`: a client that speaks to the service through such a mutant."""
    with ExitStack() as open_things:

        def start(operator, **args):
            mutant = WireMutant(wire(operator, **args), [], SEED)
            proxy = open_things.enter_context(running_proxy([service], mutant))
            return open_things.enter_context(httpx.Client(base_url=proxy.url, timeout=30)), mutant

        yield start


def test_a_body_is_changed_though_the_service_would_compress_it(behind):
    client, mutant = behind("SRE", field="title")
    got = client.get("/items")
    assert got.status_code == 200
    assert got.json()["title"] != "a lamp"
    assert got.headers["Content-Length"] == str(len(got.content))
    assert "Content-Encoding" not in got.headers
    assert (mutant.seen, mutant.applied) == (1, 1)


def test_a_header_is_dropped_and_a_compressed_body_stays_as_it_was(behind):
    client, mutant = behind("drop-header", header="etag")
    got = client.get("/items")
    assert "ETag" not in got.headers
    assert got.headers["Content-Encoding"] == "gzip"
    assert got.json()["title"] == "a lamp"
    assert mutant.sample == ('ETag: "1"', "no etag")


@pytest.mark.parametrize(("operator", "args", "status"), [("R2XX", {"to": 204}, 204), ("always-unchanged", {}, 304)])
def test_statuses_without_a_body_leave_the_connection_in_order(behind, operator, args, status):
    client, _ = behind(operator, **args)
    for _ in range(3):
        got = client.get("/items", headers={"If-None-Match": '"x"'})
        assert (got.status_code, got.content) == (status, b"")


def test_a_body_is_cut(behind):
    client, mutant = behind("cut-body", share=0.5)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/items")
    assert client.head("/items").status_code == 200
    assert mutant.applied == 1


def test_a_body_does_not_end(behind):
    client, mutant = behind("never-end")
    with client.stream("GET", "/items", timeout=1) as got:
        assert "Content-Length" not in got.headers
        pieces = got.iter_raw()
        assert next(pieces)
        with pytest.raises(httpx.ReadTimeout):
            next(pieces)
    assert client.head("/items").status_code == 200
    assert mutant.applied == 1


def test_an_interim_answer_comes_before(behind):
    client, _ = behind("interim")
    assert [client.get("/items").status_code for _ in range(2)] == [200, 200]
    client, _ = behind("interim", status=101)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/items")


def test_an_old_protocol_is_spoken(behind):
    client, _ = behind("old-protocol")
    got = [client.get("/items") for _ in range(2)]
    assert [(one.http_version, one.status_code) for one in got] == [("HTTP/1.0", 200)] * 2


def test_the_first_answer_comes_again(behind):
    client, mutant = behind("stale")
    assert [client.get("/items").json()["count"] for _ in range(3)] == [1, 1, 1]
    assert mutant.applied == 2


def test_each_request_is_another_client(behind):
    client, mutant = behind("fresh-address")
    assert {client.get("/limited").status_code for _ in range(3 * LIMIT)} == {200}
    assert mutant.applied == 3 * LIMIT


def test_a_late_answer_makes_no_other_one_late(behind):
    client, mutant = behind("late", ms=2000, every=2)
    with ThreadPoolExecutor(2) as pool:
        seconds = sorted(got.elapsed.total_seconds() for got in pool.map(client.get, ["/items", "/items"]))
    assert seconds[0] < 2.0 <= seconds[1]
    assert mutant.applied == 1
