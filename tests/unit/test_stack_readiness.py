"""Waiting for what was started: the four ways in which a wait ends, and what is said of it."""

from __future__ import annotations

from pathlib import Path

from harness.stack.readiness import Wait, wait_until, watch_log


def running() -> None:
    """The exit status of a process that runs."""


def test_what_has_no_problem_is_ready() -> None:
    problems = iter(["refused", "starting", None])
    wait = wait_until(lambda: next(problems), running, 30.0)
    assert wait.ready
    assert (wait.status, wait.problem) == (None, None)


def test_an_empty_problem_is_a_problem() -> None:
    wait = wait_until(lambda: "", running, 0.0)
    assert not wait.ready
    assert wait.problem == ""


def test_one_that_ended_is_not_asked() -> None:
    def ping() -> str | None:
        raise AssertionError("somebody else would answer")

    wait = wait_until(ping, lambda: 3, 30.0)
    assert not wait.ready
    assert wait.failure() == "exited with status 3"


def test_one_that_is_late_keeps_its_last_problem() -> None:
    wait = wait_until(lambda: "GET /: 503", running, 0.0)
    assert wait.failure() == "does not answer (GET /: 503)"
    assert wait.failure("was not ready") == "was not ready (GET /: 503)"


def test_a_signal_is_named() -> None:
    assert Wait(1.0, status=-9).failure() == "was killed by signal 9"


def test_a_text_in_a_log_is_found_across_two_reads(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ping = watch_log(log, "at work")
    assert ping() == "its log does not say 'at work'"
    log.write_text("starting\nat wo")
    assert ping() is not None
    with log.open("a") as file:
        file.write("rk\n")
    assert ping() is None


def test_what_a_log_held_before_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("at work\n")
    assert watch_log(log, "at work", log.stat().st_size)() is not None
