"""Suites against a service that somebody else runs: what may be done to it, and what is skipped with the way out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.suite_session import Bench, free_port


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def foreign(bench) -> Iterator[str]:
    """The URL of a service that this harness did not start."""
    with bench.stranger() as url:
        yield url


ACTIONS = """
import pytest

@pytest.mark.writes
def test_writes(client):
    assert client.get("/").status_code == 200

@pytest.mark.attacks
def test_attacks(client):
    assert client.get("/").status_code == 200

def test_posts(client):
    assert client.post("/").status_code == 501

def test_reads(client):
    assert client.get("/").status_code == 200
"""


def test_what_nobody_allowed_is_skipped_and_names_the_way_out(bench, foreign):
    bench.suite(ACTIONS)
    ended = bench.run("--url", foreign)
    assert ended.the("probe.reads")["outcome"] == "pass"
    for check, done in (("writes", "write"), ("attacks", "attack"), ("posts", "write")):
        line = ended.the(f"probe.{check}")
        assert line["outcome"] == "skip"
        reason = line["detail"]["reason"]
        assert done in reason
        assert "which this harness did not start and nobody allowed; pass --active, or add to" in reason
        assert '[allow] hosts = ["127.0.0.1"]' in reason
    assert ended.status == 0


@pytest.mark.parametrize("allowed_by", ["--active", "the profile"])
def test_what_somebody_allowed_runs(bench, foreign, allowed_by):
    bench.suite(ACTIONS)
    if allowed_by == "the profile":
        bench.describe('[allow]\nhosts = ["127.0.0.1"]\n')
    ended = bench.run("--url", foreign, *([allowed_by] if allowed_by == "--active" else []))
    assert {line["check"]: line["outcome"] for line in ended.lines} == {
        f"probe.{name}": "pass" for name in ("reads", "writes", "attacks", "posts")
    }


def test_writes_follow_no_redirect_to_a_host_that_nobody_allowed(bench):
    """Our own stack may be written to; where its service sends us may not."""
    bench.describe(
        service="""
        import http.server, os

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
            def do_POST(self):
                self.send_response(307)
                self.send_header("Location", "http://service.invalid/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            def log_message(self, *words): ...

        http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """
    )
    bench.suite(
        """
        def test_follows(client):
            assert client.post("/", follow_redirects=True).status_code == 200

        def test_stays(client):
            assert client.post("/").status_code == 307
        """
    )
    ended = bench.run()
    assert ended.the("probe.stays")["outcome"] == "pass"
    line = ended.the("probe.follows")
    assert line["outcome"] == "skip"
    assert "service.invalid, which this harness did not start" in line["detail"]["reason"]


def test_a_url_alone_needs_no_profile(bench, foreign):
    bench.suite(ACTIONS)
    ended = bench.run("--url", foreign, target=False)
    assert ended.the("probe.reads")["outcome"] == "pass"
    assert ended.the("probe.writes")["outcome"] == "skip"


def test_a_url_that_does_not_answer_is_told_in_one_line(bench):
    bench.suite(ACTIONS)
    ended = bench.run("--url", f"http://127.0.0.1:{free_port()}")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "does not answer: connection refused" in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err
    assert ended.run is None
