"""How a service starts, checked with real processes: without warnings, and not without its servers."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from harness.model import Observation, Outcome, PreflightRules, StackInfo, Target, Workers
from harness.preflight import LIVE, Scene, run_check
from harness.stack import launch
from tests.stack_target import PROGRAM, eventually, small_target

WORKER = """\
import os, sys, time
print(os.environ.get("WORKER_SAYS", "INFO"), file=sys.stderr, flush=True)
print("worker works", flush=True)
time.sleep(600)
"""


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """Says `SAYS` at its start, and `LATER` when it is asked for /later."""
    made = small_target(tmp_path, workers=Workers(command=("python", "worker.py"), ready="worker works"))
    later = 'if self.path == "/later": boast("ERROR: too late")\n        '
    program = PROGRAM.replace("status = 503 if", f"{later}status = 503 if")
    (tmp_path / "service.py").write_text(program.replace('boast("the service begins")', 'boast(os.environ["SAYS"])'))
    (tmp_path / "worker.py").write_text(WORKER)
    return made


def asked(name: str, target: Target, info: StackInfo) -> Observation:
    check = next(check for check in LIVE if check.id == f"preflight.{name}")
    return run_check(check, Scene(target=target, info=info))


READY = """
import os, socket, sys
from urllib.parse import urlsplit

def reaches(name):
    parts = urlsplit(os.environ[name])
    try:
        socket.create_connection((parts.hostname, parts.port), 1).close()
        return True
    except OSError:
        return False

asked = os.environ.get("ASKS", "DATABASE_URL REDIS_URL").split()
if "STRICT" in os.environ and not all(reaches(name) for name in asked):
    sys.exit(3)
if "ONCE" in os.environ:
    open("once", "x").close()
"""


@pytest.fixture
def needy(tmp_path: Path) -> Target:
    """Ready if it reaches what `ASKS` names; with `STRICT` it ends at once if it does not."""
    made = small_target(
        tmp_path,
        needs=("postgres", "valkey"),
        env={"DATABASE_URL": "{database_url}", "REDIS_URL": "{redis_url}?timeout=1"},
    )
    program = READY + PROGRAM.replace('"SICK" in os.environ', "not all(reaches(name) for name in asked)")
    (tmp_path / "service.py").write_text(program)
    return made


def test_a_service_that_asks_its_servers_passes(needy: Target) -> None:
    with launch(needy) as stack:
        line = asked("readiness", needy, stack.info)
        left = [name for name in Path(stack.info.state_dir, "logs").iterdir() if name.name.startswith("service-")]
    assert line.outcome is Outcome.PASS, line.detail["message"]
    assert line.detail["without"].keys() == {"database", "cache"}
    assert "GET /ready: 503" in line.detail["without"]["cache"]
    assert len(left) == 4


def test_a_service_that_ends_without_them_passes_soon(needy: Target) -> None:
    with launch(needy, overrides={"STRICT": "1"}) as stack:
        line = asked("readiness", needy, stack.info)
    assert line.outcome is Outcome.PASS
    assert "exited with status 3" in line.detail["without"]["database"]


@pytest.mark.parametrize(
    ("asks", "named"),
    [
        ("REDIS_URL", "/ready says ready without the database"),
        ("DATABASE_URL", "/ready says ready without the cache"),
        ("", "/ready says ready without the database and without the cache"),
    ],
)
def test_a_service_that_lies_is_named_with_what_it_does_not_ask(needy: Target, asks: str, named: str) -> None:
    with launch(needy, overrides={"ASKS": asks}) as stack:
        line = asked("readiness", needy, stack.info)
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"] == named


def test_a_lie_that_takes_its_time_is_waited_for(needy: Target) -> None:
    with launch(needy, overrides={"ASKS": "DATABASE_URL", "DELAY": "2.7"}) as stack:
        unmeasured = replace(stack.info, timings={})  # as if the first start had been quick
        line = asked("readiness", needy, unmeasured)
    assert line.detail["message"] == "/ready says ready without the cache"
    assert line.detail["patience_s"] > 5


def test_what_the_profile_calls_optional_is_not_asked(needy: Target) -> None:
    easy = replace(needy, health=replace(needy.health, optional=("cache",)))
    with launch(easy, overrides={"ASKS": "DATABASE_URL"}) as stack:
        line = asked("readiness", easy, stack.info)
        easier = replace(needy, health=replace(needy.health, optional=("cache", "database")))
        none = asked("readiness", easier, stack.info)
    assert (line.outcome, list(line.detail["without"])) == (Outcome.PASS, ["database"])
    assert (none.outcome, none.detail["counts"]) == (Outcome.SKIP, False)


def test_copies_that_never_become_ready_prove_nothing(needy: Target) -> None:
    with launch(needy, overrides={"ONCE": "1"}) as stack:
        line = asked("readiness", needy, stack.info)
    assert line.outcome is Outcome.SKIP
    assert line.detail["reason"].startswith("a copy with all its servers does not become ready either: the service")


def test_no_copy_waits_for_a_service_that_is_frozen_itself(needy: Target) -> None:
    with launch(needy) as stack:
        os.kill(stack.info.pids["service-1"], signal.SIGSTOP)
        line = asked("readiness", needy, stack.info)
        os.kill(stack.info.pids["service-1"], signal.SIGCONT)
    assert line.outcome is Outcome.SKIP
    assert line.detail["reason"].startswith("the service itself is not ready: GET /")
    assert line.detail["seconds"] < 5


def test_no_copy_waits_for_a_frozen_database(needy: Target) -> None:
    with launch(needy) as stack:
        os.kill(stack.info.pids["postgres"], signal.SIGSTOP)
        line = asked("readiness", needy, stack.info)
        os.kill(stack.info.pids["postgres"], signal.SIGCONT)
    assert line.outcome is Outcome.ERROR
    assert "does not let us in: connection timeout expired" in line.detail["message"]
    assert line.detail["seconds"] < 5


def test_a_start_without_warnings_passes(target: Target) -> None:
    with launch(target, overrides={"SAYS": "INFO: begins"}) as stack:
        line = asked("clean_start", target, stack.info)
    assert line.outcome is Outcome.PASS, line.detail["message"]
    assert line.n == 3


def test_a_warning_at_the_start_is_shown_with_file_and_line(target: Target) -> None:
    overrides = {"SAYS": "begins\nWARNING: no key\nsay.py:1: DeprecationWarning: old"}
    with launch(target, overrides=overrides) as stack:
        line = asked("clean_start", target, stack.info)
    assert line.outcome is Outcome.FAIL
    assert "service-1.log:2: WARNING: no key; service-1.log:3: say.py:1: Depr" in line.detail["message"]


def test_a_warning_that_the_profile_knows_is_none(target: Target) -> None:
    with launch(target, overrides={"SAYS": "WARNING: development server\nWARNING: no key"}) as stack:
        knows = replace(target, preflight=PreflightRules(expected_log=("development server",)))
        one = asked("clean_start", knows, stack.info)
        both = asked(
            "clean_start",
            replace(target, preflight=PreflightRules(expected_log=("no key",), known_warnings=("development server",))),
            stack.info,
        )
    assert one.detail["complaints"] == ["service-1.log:2: WARNING: no key"]
    assert (both.outcome, both.detail["known"]) == (Outcome.PASS, 2)


def test_a_service_that_logs_nothing_has_nothing_to_read(target: Target, tmp_path: Path) -> None:
    (tmp_path / "silent.log").touch()
    with launch(target, overrides={"SAYS": "begins"}) as stack:
        silent = replace(stack.info.instances[0], log=str(tmp_path / "silent.log"), ready_bytes=0)
        line = asked("clean_start", target, replace(stack.info, instances=(silent,), workers=()))
    assert (line.outcome, line.detail["counts"]) == (Outcome.SKIP, False)
    assert line.detail["reason"].startswith("not applicable: the service logs nothing")


def test_a_workers_warning_counts_too(target: Target) -> None:
    with launch(target, overrides={"SAYS": "begins", "WORKER_SAYS": "ERROR no work"}) as stack:
        line = asked("clean_start", target, stack.info)
    assert line.detail["complaints"] == ["worker-1.log:1: ERROR no work"]


def test_what_is_logged_once_it_is_ready_is_no_part_of_the_start(target: Target) -> None:

    with launch(target, overrides={"SAYS": "begins"}) as stack:
        httpx.get(f"{stack.info.url}/later", trust_env=False)
        log = Path(stack.info.logs["service-1"])
        assert eventually(lambda: "too late" in log.read_text())
        assert asked("clean_start", target, stack.info).outcome is Outcome.PASS


def test_the_log_of_somebody_elses_service_is_not_known(target: Target) -> None:
    info = StackInfo(name="x", backend="attach", target="small", url="http://127.0.0.1:1", owned=False)
    line = asked("clean_start", replace(target, workers=Workers()), info)
    assert (line.outcome, line.detail["counts"]) == (Outcome.SKIP, True)


STRICT = """
import os, sys
key = os.environ.get("KEY") or os.environ.get("FALLBACK")
if not key:
    sys.exit(os.environ.get("SAYS", "KEY is not set"))
"""


@pytest.fixture
def strict(tmp_path: Path) -> Target:
    """Ends without `KEY`, unless there is a `FALLBACK`; what it says then is up to `SAYS`."""
    made = small_target(tmp_path, env={"KEY": "k", "ADDRESS": "a"})
    (tmp_path / "service.py").write_text(STRICT + PROGRAM)
    return replace(made, service=replace(made.service, required_env=("KEY",)))


def test_a_service_that_refuses_to_start_without_a_setting_passes(strict: Target) -> None:
    with launch(strict, overrides={"KEY": "given with --env"}) as stack:
        line = asked("required_settings", strict, stack.info)
    assert line.outcome is Outcome.PASS, line.detail["message"]
    assert "exited with status 1" in line.detail["without"]["KEY"]


def test_a_silent_default_is_named(strict: Target) -> None:
    with launch(strict, overrides={"FALLBACK": "known to everyone"}) as stack:
        line = asked("required_settings", strict, stack.info)
    assert line.outcome is Outcome.FAIL
    assert line.detail["message"] == "the service starts without KEY, as if nothing were missing"


def test_who_ends_without_a_word_may_have_ended_for_another_reason(strict: Target) -> None:
    with launch(strict, overrides={"SAYS": "no luck"}) as stack:
        line = asked("required_settings", strict, stack.info)
    assert line.outcome is Outcome.SKIP
    assert line.detail["reason"].startswith("without KEY no copy starts, but none names it: the service exited")
    assert line.detail["counts"]


def test_a_setting_that_a_file_gives_is_not_taken_away(strict: Target) -> None:
    Path(strict.service.cwd, ".env.test").write_text("KEY=from the file\n")
    with launch(strict, overrides={"ENVIRONMENT": "test"}) as stack:
        line = asked("required_settings", strict, stack.info)
    assert (line.outcome, line.detail["counts"]) == (Outcome.SKIP, False)
