"""One way to a run: what every job gets by opening it, and what is left when the job does not come to its end."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.jobs.session import RunSession, run_session
from harness.machine.redaction import MASK
from harness.model import Build, Observation, Outcome, Policy, Service, StackInfo, Target
from harness.run import changed_files, is_sealed, load_record, read_run_record

TARGET = Target(name="small", source="small.toml", service=Service(url="http://127.0.0.1:1"))
SECRET = "hunter22-of-the-stack"
BUILD = Build(kind="commit", id="c0ffee")
SEEN = Observation(suite="own", check="own.answers", subject=f"said {SECRET}", outcome=Outcome.PASS)


@pytest.fixture
def info(tmp_path: Path) -> StackInfo:
    log = tmp_path / "service.log"
    log.write_text(f"ready with {SECRET}\n")
    return StackInfo(
        name="run-1",
        backend="embedded",
        target="small",
        url="http://127.0.0.1:1",
        owned=True,
        secrets={"SIGNING_KEY": SECRET},
        logs={"service-1": str(log)},
        build=BUILD,
    )


def left_by(session: RunSession) -> str:
    return "".join(path.read_text() for path in session.path.rglob("*") if path.is_file())


def test_a_job_that_ends_leaves_a_sealed_run_that_knows_its_stack_and_keeps_no_secret(tmp_path, info):
    opened = run_session("load", TARGET, tmp_path / "out", narrowed="--only own", seeds={"load": 7})
    with opened as session, session.on_stack(info):
        session.run.record([SEEN])
        (session.path / "logs" / "pytest-own.log").write_text(f"it said {SECRET}")
    record = read_run_record(session.path)
    assert (record.kind, record.state, record.build, record.narrowed) == ("load", "finished", BUILD, "--only own")
    assert record.stack is not None
    assert (record.stack.name, record.seeds) == ("run-1", {"load": 7})
    assert is_sealed(session.path)
    assert changed_files(session.path) == ()
    assert SECRET not in left_by(session)
    assert MASK in (session.path / "logs" / "service-1.log").read_text()
    assert json.loads((session.path / "profile.json").read_text())["name"] == "small"


def test_a_job_that_is_broken_off_says_so_and_is_not_sealed(tmp_path, info):
    session = run_session("run", TARGET, tmp_path)

    def broken_off() -> None:
        with session, session.on_stack(info):
            session.run.record([SEEN])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert read_run_record(session.path).state == "interrupted"
    assert not is_sealed(session.path)
    assert (session.path / "logs" / "service-1.log").is_file()


def test_a_session_may_itself_say_that_it_was_broken_off(tmp_path):
    with run_session("pytest", TARGET, tmp_path) as session:
        session.close("interrupted")
    assert read_run_record(session.path).state == "interrupted"
    assert not is_sealed(session.path)


def test_what_is_written_after_the_evidence_was_counted_is_under_the_seal(tmp_path):
    with run_session("gate", TARGET, tmp_path, policy=Policy(name="p", criteria=()), waivers=()) as session:
        session.run.record([SEEN])
        reading = session.close()
        (session.path / "verdict.json").write_text("{}")
    assert [line.check for line in reading.lines] == ["own.answers"]
    assert session.close() is reading
    assert load_record(session.path, reading) == load_record(session.path)
    (session.path / "verdict.json").write_text("[]")
    assert changed_files(session.path) == ("verdict.json",)


def test_the_logs_of_another_stack_stand_beside_those_of_the_first(tmp_path, info):
    other = replace(info, name="run-2", build=Build(kind="commit", id="decaf"))
    opened = run_session("gate", TARGET, tmp_path)
    with opened as session, session.on_stack(info), session.keeping_logs(other, "load-"):
        pass
    assert {path.name for path in (session.path / "logs").iterdir()} == {"service-1.log", "load-service-1.log"}
    assert read_run_record(session.path).build == BUILD


def test_a_setting_changed_for_this_run_is_learned_before_anything_is_written(tmp_path):
    with run_session("gate", TARGET, tmp_path, overrides={"API_TOKEN": SECRET}) as session:
        session.run.record([replace(SEEN, detail={"message": f"it said {SECRET}"})])
    assert MASK in (session.path / "evidence.jsonl").read_text()
    assert SECRET not in (session.path / "evidence.jsonl").read_text()


def test_a_run_whose_results_cannot_be_cleaned_says_that_it_was_interrupted(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.jobs.session.redact_results", fail)
    session = run_session("gate", TARGET, tmp_path)
    with pytest.raises(OSError, match="No space left"), session:
        session.run.record([SEEN])
    assert read_run_record(session.path).state == "interrupted"
    assert not is_sealed(session.path)
