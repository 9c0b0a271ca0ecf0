"""A limited service that cannot tell clients apart: tests are paced, a refusal nobody asked for is an error."""

from __future__ import annotations

import pytest

from tests.suite_session import Bench

LIMITED = """
import collections, http.server, os, threading, time

LIMIT, WINDOW = {limit}, {window}
served = collections.deque()
lock = threading.Lock()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with lock:
            now = time.monotonic()
            while served and served[0] <= now - WINDOW:
                served.popleft()
            fine = self.path == "/ready" or len(served) < LIMIT
            if fine and self.path == "/limited":
                served.append(now)
        self.send_response(200 if fine else 429)
        if not fine:
            self.send_header("Retry-After", str(WINDOW))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words): ...

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MORE = """
[clients]
address = "{address}"

[ratelimit]
limit = 20
window_s = 2
path = "/limited"
"""
MANY = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_asks(client, number):
    for _ in range(8):
        assert client.get("/limited").status_code == 200
"""


def limited(folder, *, limit: int = 20, address: str = "none") -> Bench:
    bench = Bench(folder)
    bench.describe(MORE.format(address=address), service=LIMITED.format(limit=limit, window=2))
    return bench


@pytest.mark.parametrize("workers", [0, 2])
def test_forty_requests_to_a_limit_of_twenty_are_never_refused(tmp_path, workers):
    bench = limited(tmp_path)
    bench.suite(MANY)
    ended = bench.run_as("in the gate", workers)
    assert [line["outcome"] for line in ended.of("probe.asks")] == ["pass"] * 5


def test_where_clients_are_told_apart_nothing_is_paced_and_a_refusal_is_the_services(tmp_path):
    bench = limited(tmp_path, address="x-forwarded-for")
    bench.suite(MANY)
    outcomes = [line["outcome"] for line in bench.run_as("in the gate", 0).of("probe.asks")]
    assert outcomes[:2] == ["pass", "pass"]
    assert "fail" in outcomes


def test_a_refusal_that_no_test_asked_for_is_an_error_and_named(tmp_path):
    bench = limited(tmp_path, limit=4)
    bench.suite(
        """
        from contextlib import suppress

        from harness.errors import HarnessError

        def test_asks(client):
            for _ in range(8):
                assert client.get("/limited").status_code == 200

        def test_hides_it(client):
            for _ in range(8):
                with suppress(HarnessError):
                    client.get("/limited")
            assert True
        """
    )
    ended = bench.run_as("in the gate", 0)
    for check in ("probe.asks", "probe.hides_it"):
        line = ended.the(check)
        assert line["outcome"] == "error"
        assert "/limited was refused with 429 though all requests of the tests are paced" in line["detail"]["reason"]
    assert ended.the("probe.asks")["detail"]["observed"]["status"] == 429


@pytest.mark.parametrize("workers", [0, 2])
def test_the_limiters_probe_comes_last_and_finds_the_limit_unused(tmp_path, workers):
    bench = limited(tmp_path)
    bench.suite(
        """
        import pytest

        from harness.probes.limit_clients import LimitClients

        pytestmark = [pytest.mark.beside, pytest.mark.attacks]

        @pytest.fixture(scope="module")
        def statuses(stack_info, target, turn_of_session):
            with turn_of_session(), LimitClients(
                stack_info.url, "/limited", address_mode=target.clients.address, timeout_s=3
            ) as clients:
                return [clients.send("").status for _ in range(22)]

        @pytest.fixture(scope="module")
        def turn_of_session(request):
            from harness.pytest_plugin.stash import MACHINE_LOCK
            return request.config.stash[MACHINE_LOCK].shared

        def test_blocks(statuses):
            assert statuses == [200] * 20 + [429] * 2

        def test_again(statuses):
            assert statuses == [200] * 20 + [429] * 2
        """,
        "probe/test_a_limit.py",
    )
    bench.suite(MANY, "probe/test_b_many.py")
    ended = bench.run_as("in the gate", workers)
    assert {line["outcome"] for line in ended.lines} == {"pass"}
    assert {line["check"] for line in ended.lines} == {"probe.asks", "probe.blocks", "probe.again"}
    if not workers:
        # two workers do not end at once, and each tries the limiter, but never beside other tests
        assert [line["check"] for line in ended.lines] == ["probe.asks"] * 5 + ["probe.blocks", "probe.again"]


def test_what_an_unknown_limiter_keeps_from_a_test_is_no_failure_of_the_service(tmp_path):
    bench = Bench(tmp_path)
    bench.describe("", service=LIMITED.format(limit=3, window=60))
    bench.suite(MANY)
    ended = bench.run_as("in the gate", 0)
    reasons = {line["detail"].get("reason", "") for line in ended.lines if line["outcome"] == "error"}
    assert reasons
    assert all("add [ratelimit] limit and window_s" in reason for reason in reasons)
    assert not [line for line in ended.lines if line["outcome"] == "fail"]
