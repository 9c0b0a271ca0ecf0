"""Sessions that go wrong, or belong to somebody else: what the plugin makes of them, whoever runs it."""

from __future__ import annotations

import re

import pytest

from harness.machine.bundle import root
from harness.run import load_record
from tests.suite_session import Bench


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(("how", "workers"), [("by hand", 0), ("in the gate", 2)])
def test_a_retry_never_upgrades(bench, how, workers):
    bench.suite(
        """
        from pathlib import Path

        TRIED = Path(__file__).with_name("tried")

        def test_flaky(measure):
            measure("probe.tries", 1, unit="n", statistic="count", interval=(1, 1), n=1)
            first = not TRIED.exists()
            TRIED.touch()
            assert not first

        def test_red():
            assert False

        def test_green():
            assert True
        """
    )
    ended = bench.run_as(how, workers, "--reruns", "1")
    first, last = ended.of("probe.flaky")
    assert (first["outcome"], first["detail"]["superseded"], first["detail"]["attempt"]) == ("fail", True, 1)
    assert (last["outcome"], last["detail"]["reason"]) == ("flaky", "failed, then passed on attempt 2")
    assert "superseded" not in last["detail"]
    assert [line["detail"].get("superseded") for line in ended.of("probe.tries")] == [True, None]
    assert [line["outcome"] for line in ended.of("probe.red")] == ["fail", "fail"]
    assert [line["detail"].get("superseded") for line in ended.of("probe.red")] == [True, None]
    assert ended.the("probe.green")["outcome"] == "pass"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_session_ends_once_a_check_fails_that_was_looked_for(bench, workers):
    bench.suite(
        """
        import pytest

        @pytest.mark.check("probe.other")
        def test_another_failure():
            assert False

        @pytest.mark.check("probe.wanted")
        def test_wanted(new_client):
            assert new_client().get("/live").status_code == 404

        def test_later():
            assert True
        """
    )
    ended = bench.run_as("in the gate", workers, "--until-fails", "probe.w*")
    assert ended.status == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in ended.out + ended.err
    assert "what was looked for has failed" in ended.out
    assert ended.the("probe.wanted")["outcome"] == "fail"
    # a second worker may be ahead
    assert workers or ended.of("probe.later") == []


MALFORMED = [
    ("()", "takes one check id"),
    ("('a', 'b')", "takes one check id"),
    ("('a', severity='grave')", "not 'grave'"),
    ("('a', severty='high')", r"not \['severty'\]"),
    ("('a', subject='GET {path}')", r"subject 'GET {path}' does not fit the test's parameters \(it has none\)"),
]


@pytest.mark.parametrize(("marker", "says", "workers"), [*((*one, 0) for one in MALFORMED), (*MALFORMED[0], 2)])
def test_a_malformed_marker_stops_the_session_in_one_line(bench, marker, says, workers):
    bench.suite(f"import pytest\n\n@pytest.mark.check{marker}\ndef test_it():\n    assert True\n")
    ended = bench.run_as("by hand", workers)
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    told = [line for line in (ended.out + ended.err).splitlines() if "ERROR" in line or "Traceback" in line]
    assert len(told) == 1, ended.out + ended.err
    assert re.search(rf"^ERROR: .*test_it\.py::test_it: @pytest\.mark\.check.*{says}", told[0])
    assert ended.lines == []
    assert ended.document["state"] == "interrupted"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_cannot_be_collected_is_an_error_and_the_others_run(bench, workers):
    bench.suite("import no_such_module\n", "probe/test_broken.py")
    bench.suite("def test_whole():\n    assert True\n")
    ended = bench.run_as("in the gate", workers, "--continue-on-collection-errors")
    line = ended.the("collection")
    assert (line["suite"], line["outcome"]) == ("probe", "error")
    assert line["subject"].endswith("test_broken.py")
    assert "no_such_module" in line["detail"]["message"]
    assert ended.the("probe.whole")["outcome"] == "pass"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_skips_itself_skips_each_of_its_checks(bench, workers):
    bench.suite(
        """
        import pytest

        pytest.importorskip("no_such_module", reason="needs no_such_module")

        @pytest.mark.check("deep.one")
        def test_one(): ...

        def test_two(): ...
        """,
        "probe/test_deep.py",
    )
    bench.suite("def test_whole():\n    assert True\n")
    ended = bench.run_as("in the gate", workers)
    assert {(line["check"], line["outcome"]) for line in ended.lines} == {
        ("deep.one", "skip"),
        ("probe.two", "skip"),
        ("probe.whole", "pass"),
    }
    assert ended.the("deep.one")["detail"]["reason"].endswith("needs no_such_module")
    assert len(ended.lines) == 3


def test_a_worker_that_dies_is_an_error_of_its_test_and_the_others_run(bench):
    bench.suite(
        """
        import os

        import pytest

        def test_dies():
            os._exit(7)

        @pytest.mark.parametrize("number", range(6))
        def test_lives(number):
            assert True
        """
    )
    ended = bench.run_as("in the gate", 2, "--max-worker-restart", "2")
    line = ended.the("worker.crashed")
    assert (line["outcome"], line["suite"]) == ("error", "probe")
    assert line["test"].endswith("::test_dies")
    assert line["detail"]["reason"] == "the process that ran the test died"
    assert [line["outcome"] for line in ended.of("probe.lives")] == ["pass"] * 6
    assert load_record(ended.run).integrity.problems == ()


def test_what_a_dead_worker_had_still_to_run_is_run_though_all_others_have_ended(bench):
    bench.suite(
        """
        import os
        from pathlib import Path

        import pytest

        from harness.testing import eventually

        def test_dies():
            # a worker begins its last test only when it knows that there is no other
            eventually(lambda: len([*Path(__file__).parent.glob("ran-*")]) == 5, "the other's end", seconds=60)
            os._exit(7)

        @pytest.mark.parametrize("number", range(6))
        def test_lives(number):
            Path(__file__).with_name(f"ran-{number}").touch()
            assert True
        """
    )
    ended = bench.run_as("in the gate", 2, "--max-worker-restart", "2")
    assert ended.the("worker.crashed")["test"].endswith("::test_dies")
    assert [line["outcome"] for line in ended.of("probe.lives")] == ["pass"] * 6


@pytest.mark.parametrize("how", ["by hand", "in the gate"])
def test_a_service_killed_under_the_test_is_the_targets_fault(bench, how):
    bench.describe(needs='"valkey"')
    bench.suite(
        """
        import os, signal

        def test_killed(client, stack_info):
            os.kill(stack_info.instances[0].pid, signal.SIGKILL)
            for _ in range(100):
                assert client.get("/").status_code == 200
        """
    )
    line = bench.run_as(how, 0).the("probe.killed")
    assert line["outcome"] == "fail"
    assert "connection" in line["detail"]["message"]
    assert "reason" not in line["detail"]


@pytest.mark.parametrize(("server", "part"), [("valkey", "cache"), ("postgres", "database")])
def test_a_server_of_the_stack_killed_under_the_test_is_no_fault_of_the_target(bench, server, part):
    bench.describe(needs=f'"{server}"')
    bench.suite(
        """
        import os, signal

        import pytest

        @pytest.mark.check("probe.before")
        def test_before(client):
            assert client.get("/").status_code == 500

        def test_killed(client, stack_info):
            (pid,) = [pid for name, pid in stack_info.pids.items() if name == "SERVER"]
            os.kill(pid, signal.SIGKILL)
            assert client.get("/").status_code == 500

        @pytest.mark.breaks
        def test_breaks(client):
            assert client.get("/").status_code == 500
        """.replace("SERVER", server)
    )
    ended = bench.run_as("in the gate", 0)
    assert ended.the("probe.before")["outcome"] == "fail"
    line = ended.the("probe.killed")
    assert (line["outcome"], line["detail"]["reason"]) == ("error", f"{part} of the stack does not answer")
    assert ended.the("probe.breaks")["outcome"] == "fail"


@pytest.mark.parametrize("workers", [0, 2])
def test_of_target_folders_only_the_targets_own_is_collected(bench, workers):
    suites = ("suites/e2e", "suites/security/test_headers.py")
    ended = bench.run_as("by hand", workers, *(str(root() / name) for name in suites))
    collected = ended.document["collected"]
    assert collected
    assert [test for test in collected if "/dealradar/" in test] == []
    assert {line["suite"] for line in ended.lines} == {"e2e", "security"}


def test_two_sessions_after_one_another_leave_two_whole_runs(bench):
    bench.suite("def test_it(client):\n    assert client.get('/').status_code == 200\n")
    first, second = bench.run_as("by hand", 0), bench.run_as("by hand", 2)
    assert first.run != second.run
    for ended in (first, second):
        assert ended.status == 0
        assert load_record(ended.run).integrity.problems == ()
        assert f"1 lines of evidence in {ended.run.relative_to(bench.folder)}" in ended.out


@pytest.mark.parametrize("workers", [0, 2])
def test_a_suite_that_says_old_names_runs_and_is_told_the_new_ones(bench, workers):
    bench.suite(
        """
        from harness.places import root
        from harness.pytest_plugin.waiting import eventually
        from harness.turns import Turns

        def test_old_names():
            with Turns().shared():
                assert eventually(root, "the root", seconds=5).is_dir()
        """
    )
    ended = bench.run_as("by hand", workers)
    assert ended.the("probe.old_names")["outcome"] == "pass", ended.out
    told = [line.partition("FormerName: ")[2].split(";")[0] for line in ended.out.splitlines() if "FormerName:" in line]
    assert sorted(told) == [
        "harness.places is now harness.machine.bundle",
        "harness.pytest_plugin.waiting is now harness.pytest_plugin.polling",
        "harness.turns is now harness.machine.lock",
        "harness.turns.Turns is now harness.machine.lock.MachineLock",
    ]


def test_a_run_that_has_ended_is_not_added_to(bench):
    bench.suite("def test_it():\n    assert True\n")
    first = bench.run_as("by hand", 0)
    again = bench.run("--run", str(first.run))
    assert again.status == pytest.ExitCode.USAGE_ERROR
    assert "this run is finished, nothing can be added to it" in again.out + again.err
    assert len(first.lines) == 1
    assert load_record(first.run).integrity.problems == ()


def test_a_service_that_does_not_start_is_told_without_a_traceback(bench):
    bench.describe(service="import sys\nprint('no such table', file=sys.stderr)\nsys.exit(3)\n")
    bench.suite("def test_it():\n    assert True\n")
    ended = bench.run_as("by hand", 0)
    told = ended.out + ended.err
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: the service ended with status 3" in told or "ERROR: the service" in told
    assert "no such table" in told
    assert "Traceback" not in told


def test_a_browsers_expectations_count(bench):
    from harness.probes.chromium import find_chromium

    assert find_chromium("") is not None, "make setup brings a browser"
    bench.describe(
        service="""
        import http.server, os

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"<!doctype html><title>Small</title><h1>Hello</h1>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *words): ...

        http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
        """
    )
    bench.suite(
        """
        from playwright.sync_api import expect

        def test_seen(page):
            page.goto("/")
            expect(page.get_by_role("heading")).to_have_text("Hello")

        def test_not_seen(page):
            page.goto("/")
            expect(page.get_by_role("heading")).to_have_text("Goodbye", timeout=300)

        def test_not_looked_at(page):
            page.goto("/")
        """
    )
    ended = bench.run_as("in the gate", 0)
    assert (ended.the("probe.seen")["outcome"], ended.the("probe.seen")["detail"]["assertions"]) == ("pass", 1)
    assert ended.the("probe.not_looked_at")["outcome"] == "error"
    line = ended.the("probe.not_seen")
    assert line["outcome"] == "fail"
    assert [name.partition(".")[2] for name in line["artifacts"]] == [
        "py-test_not_seen.png",
        "py-test_not_seen.trace.zip",
    ]
    assert all((ended.run / name).stat().st_size > 0 for name in line["artifacts"])
