"""A run's folder: whole in shape from its first second, counted at its end, and never quietly different afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.config import target_document
from harness.errors import BrokenRunError, UsageError
from harness.model import Instance, Observation, Outcome, RunRecord, Service, StackInfo, Target
from harness.run import (
    Run,
    changed_files,
    create_run,
    find_run,
    is_sealed,
    load_record,
    open_run,
    seal,
    stack_facts,
    write_document,
)

TARGET = Target(
    name="small", source="small.toml", service=Service(url="http://127.0.0.1:1"), absent={"mail": "sends none"}
)


def start(out: Path, **documents: Any) -> Run:
    return create_run(out, kind="gate", target=TARGET, policy="quick", commit="c0ffee", documents=documents)


def seen(number: int) -> Observation:
    return Observation(suite="e2e", check="health", subject=str(number), outcome=Outcome.PASS)


def finished(out: Path, count: int = 4) -> Path:
    run = start(out, profile=target_document(TARGET), policy={"name": "quick"}, waivers={"waivers": []})
    run.record([seen(number) for number in range(count)])
    run.close("finished")
    return run.path


def sealed(out: Path) -> Path:
    path = finished(out)
    (path / "verdict.json").write_text("{}")
    (path / "logs" / "service.log").write_text("ready\n")
    (path / "samples" / "deep").mkdir()
    (path / "samples" / "deep" / "raw.json").write_text("[]")
    seal(path)
    return path


def described(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((path / "run.json").read_text())
    return document


def edit(path: Path, **members: Any) -> None:
    write_document(path / "run.json", described(path) | members)


def test_a_run_says_all_it_knows_before_anything_is_done(tmp_path):
    run = start(tmp_path, profile={"name": "small"})
    document = described(run.path)
    assert document["state"] == "running"
    assert document["run"] == run.id == run.path.name
    assert (document["target"], document["policy"], document["commit"]) == ("small", "quick", "c0ffee")
    assert document["absent"] == {"mail": "sends none"}
    assert (document["end"], document["evidence"], document["collected"]) == (None, None, [])
    assert {"python", "harness", "pytest"} <= set(document["versions"])
    assert document["machine"]["cpus"] >= 1
    assert run.id.startswith(document["start"][:19].replace("-", "").replace(":", "") + "Z-")
    assert {entry.name for entry in run.path.iterdir()} == {
        ".reserve",
        "artifacts",
        "evidence.jsonl",
        "logs",
        "profile.json",
        "run.json",
        "samples",
    }


def test_latest_points_at_the_newest_run_and_nothing_else_is_left(tmp_path):
    out = tmp_path / "out"
    first = start(out)
    assert (out / "latest").resolve() == first.path.resolve()
    second = start(out)
    assert (out / "latest").resolve() == second.path.resolve()
    assert {entry.name for entry in out.iterdir()} == {"latest", "runs"}
    moved = out.rename(tmp_path / "moved")
    assert find_run("latest", moved).name == second.id


def test_latest_is_never_gone_while_it_is_switched(tmp_path, monkeypatch):
    start(tmp_path)
    seen_while: list[bool] = []
    original = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen_while.append((tmp_path / "latest" / "run.json").is_file())
        result = original(self, target)
        seen_while.append((tmp_path / "latest" / "run.json").is_file())
        return result

    monkeypatch.setattr(Path, "replace", watched)
    start(tmp_path)
    assert seen_while
    assert all(seen_while)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda out: out.write_text("a file"),
        lambda out: (out / "latest" / "full").mkdir(parents=True),
        lambda out: (out.mkdir(), (out / "runs").write_text("a file")),
    ],
    ids=["out is a file", "latest is a folder", "runs is a file"],
)
def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path, spoil: Callable[[Path], object]):
    out = tmp_path / "out"
    spoil(out)
    with pytest.raises(UsageError, match=r"out.*cannot be written \(.*\); give another folder with --out") as told:
        start(out)
    assert "\n" not in told.value.message


def test_closing_counts_the_evidence_and_names_the_end(tmp_path):
    path = finished(tmp_path)
    document = described(path)
    assert document["state"] == "finished"
    assert document["end"] >= document["start"]
    assert document["evidence"]["count"] == 4
    record = load_record(path)
    assert record.integrity.problems == ()
    assert record.integrity.evidence_sha256 == document["evidence"]["sha256"]
    assert [line.seq for line in record.evidence] == [1, 2, 3, 4]
    assert (record.target, record.end, record.absent) == ("small", document["end"], {"mail": "sends none"})


def test_closing_cuts_half_a_line_that_a_killed_writer_left(tmp_path):
    run = start(tmp_path)
    run.record([seen(1)])
    with (run.path / "evidence.jsonl").open("ab") as file:
        file.write(b'{"run":"half')
    run.close("finished")
    record = load_record(run.path)
    assert record.integrity.problems == ()
    assert len(record.evidence) == 1


def test_nothing_is_added_to_a_run_that_has_ended(tmp_path):
    path = finished(tmp_path)
    with pytest.raises(UsageError, match="this run is finished, nothing can be added to it"):
        open_run(path)
    running = start(tmp_path)
    open_run(running.path).record([seen(1)])
    assert len(load_record(running.path).evidence) == 1


def test_an_edit_that_fails_leaves_the_document_as_it_was(tmp_path):
    run = start(tmp_path)
    before = (run.path / "run.json").read_bytes()

    def spoil(_record: RunRecord) -> RunRecord:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        run.update(spoil)
    assert (run.path / "run.json").read_bytes() == before
    run.update(lambda record: replace(record, narrowed="--only e2e"))
    assert described(run.path)["narrowed"] == "--only e2e"
    assert [entry.name for entry in run.path.iterdir() if entry.name.startswith(".")] == [".reserve"]


def test_who_reads_while_run_json_is_changed_sees_the_old_one_whole(tmp_path):
    run = start(tmp_path)
    with (run.path / "run.json").open() as old:
        run.update(lambda record: replace(record, collected=("a test",)))
        assert json.loads(old.read())["collected"] == []
    assert described(run.path)["collected"] == ["a test"]


# --- read back


def drop_lines(path: Path, keep: slice) -> None:
    log = path / "evidence.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[keep]))


def test_a_run_that_was_never_closed_says_so(tmp_path):
    run = start(tmp_path)
    run.record([seen(1)])
    assert load_record(run.path).integrity.problems == (
        "the run is running, not finished",
        "the evidence was never counted",
    )
    run.close("interrupted")
    assert load_record(run.path).integrity.problems == ("the run is interrupted, not finished",)


@pytest.mark.parametrize("keep", [slice(0, 2), slice(2, 4), slice(0, 4, 2)], ids=["first", "last", "every other"])
def test_half_of_the_lines_deleted_is_seen(tmp_path, keep):
    path = finished(tmp_path)
    drop_lines(path, keep)
    problems = load_record(path).integrity.problems
    assert "4 lines of evidence were written, 2 are there" in problems
    assert "evidence.jsonl has changed since the run ended (its digest differs)" in problems
    assert any("has the number" in problem for problem in problems) == (keep != slice(0, 2))


def test_a_value_changed_in_the_evidence_is_seen(tmp_path):
    path = finished(tmp_path)
    log = path / "evidence.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"pass"', b'"skip"', 1))
    assert load_record(path).integrity.problems == (
        "evidence.jsonl has changed since the run ended (its digest differs)",
    )


def test_evidence_that_is_gone_is_seen(tmp_path):
    path = finished(tmp_path)
    (path / "evidence.jsonl").unlink()
    assert "4 lines of evidence were written, 0 are there" in load_record(path).integrity.problems


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"target": "shop"}, "the run is of target shop, its profile.json of small"),
        ({"absent": {"ratelimit": "never mind"}}, "run.json and profile.json do not agree on what the target has"),
    ],
)
def test_a_run_of_another_target_than_its_profile_says_is_seen(tmp_path, members, said):
    path = finished(tmp_path)
    assert load_record(path).integrity.problems == ()
    edit(path, **members)
    assert load_record(path).integrity.problems == (said,)


def test_a_profile_that_is_none_is_named(tmp_path):
    path = finished(tmp_path)
    (path / "profile.json").write_text('{"absent": {}}')
    (problem,) = load_record(path).integrity.problems
    assert problem.startswith("profile.json: is not a profile (")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("state", "perfect"),
        ("state", None),
        ("build", {"kind": "invented", "id": ""}),
        ("collected", "all"),
        ("evidence", {"count": "4", "sha256": ""}),
        ("evidence", []),
        ("absent", {"mail": 1}),
        ("run", 7),
    ],
)
def test_a_run_json_of_another_shape_is_no_run(tmp_path, member, value):
    path = finished(tmp_path)
    edit(path, **{member: value})
    with pytest.raises(BrokenRunError, match=rf"run\.json: is not a run's record .*{member}"):
        load_record(path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff"])
def test_a_run_json_that_cannot_be_read_is_named(tmp_path, text):
    path = finished(tmp_path)
    (path / "run.json").write_bytes(text)
    with pytest.raises(BrokenRunError, match=r"run\.json"):
        load_record(path)


def test_an_edited_run_json_is_seen_once_sealed(tmp_path):
    path = sealed(tmp_path)
    assert load_record(path).integrity.problems == ()
    edit(path, narrowed="", policy="release")
    assert load_record(path).integrity.problems == ("run.json has changed since the verdict",)


# --- the seal


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda path: (path / "policy.json").write_text("{}"), "policy.json"),
        (lambda path: (path / "waivers.json").unlink(), "waivers.json"),
        (lambda path: (path / "verdict.json").write_text('{"verdict": "GO"}'), "verdict.json"),
        (lambda path: (path / "logs" / "service.log").write_text("fine\n"), "logs/service.log"),
        (lambda path: (path / "logs" / "service.log").unlink(), "logs/service.log"),
        (lambda path: (path / "samples" / "deep" / "raw.json").write_text("[1]"), "samples/deep/raw.json"),
        (lambda path: (path / "artifacts" / "new.png").write_bytes(b"x"), "artifacts/new.png"),
        (lambda path: shutil.rmtree(path / "samples"), "samples/deep/raw.json"),
    ],
    ids=["edited", "removed", "verdict", "log", "log removed", "deep", "added", "folder removed"],
)
def test_what_changed_under_the_seal_is_named(tmp_path, change: Callable[[Path], object], name: str):
    path = sealed(tmp_path)
    assert changed_files(path) == ()
    change(path)
    assert changed_files(path) == (name,)
    assert load_record(path).integrity.problems == (f"{name} has changed since the verdict",)


def test_reports_are_made_again_outside_the_seal(tmp_path):
    path = sealed(tmp_path)
    (path / "report").mkdir()
    (path / "report" / "index.html").write_text("again")
    (path / "summary.md").write_text("again")
    assert changed_files(path) == ()


def test_a_run_without_a_seal_has_not_changed_and_is_not_sealed(tmp_path):
    path = finished(tmp_path)
    assert not is_sealed(path)
    assert changed_files(path) == ()
    digest = seal(path)
    assert is_sealed(path)
    assert seal(path) == digest


@pytest.mark.parametrize("text", [b"{", b"{}", b'{"sha256": []}', b'{"sha256": {"run.json": 1}}'])
def test_a_manifest_that_is_none_breaks_the_run(tmp_path, text):
    path = sealed(tmp_path)
    (path / "manifest.json").write_bytes(text)
    with pytest.raises(BrokenRunError, match=r"manifest\.json"):
        changed_files(path)


# --- found, and told


def test_a_run_is_found_by_path_by_id_and_as_latest(tmp_path):
    path = finished(tmp_path)
    for given in (str(path), path.name, "latest"):
        assert find_run(given, tmp_path) == path.resolve()
    with pytest.raises(UsageError, match=r"nowhere: no run there \(no run\.json\); `ls .*runs` lists the runs"):
        find_run("nowhere", tmp_path)


def test_no_secret_of_a_stack_is_among_its_facts():
    info = StackInfo(
        name="default",
        backend="embedded",
        target="small",
        url="http://127.0.0.1:8000",
        owned=True,
        database_url="postgres://app:hunter22@127.0.0.1/app",
        instances=(Instance(url="http://127.0.0.1:8000", pid=1),),
        settings={"SECRET_KEY": "hunter22"},
        secrets={"SECRET_KEY": "hunter22"},
        overrides={"SECRET_KEY": "hunter22"},
    )
    facts = stack_facts(info)
    assert "hunter22" not in str(facts)
    assert facts.overrides == ("SECRET_KEY",)
