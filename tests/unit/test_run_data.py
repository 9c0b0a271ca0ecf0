"""A run's folder is data: whoever wrote to it, nothing is written through a link, and nothing is read through one."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from harness.cli.main import run_command
from harness.errors import BrokenRunError
from harness.machine.redaction import Redactor
from harness.model import Observation, Outcome
from harness.run import changed_files, find_run, load_record, replace_file, seal
from harness.run.evidence import EvidenceLog
from tests import report_runs

READ = ("run.json", "evidence.jsonl", "policy.json", "waivers.json", "profile.json", "verdict.json", "manifest.json")
WRITTEN = ("junit.xml", "summary.md", "CHECKLIST.md", "report.sarif", "attestation.json", "report/index.html")
COMMANDS = (
    ["judge"],
    ["judge", "--policy", "quick"],
    ["report"],
    ["verify"],
    ["verify", "--json"],
    ["report", "--json"],
)


@pytest.fixture
def run(tmp_path):
    return report_runs.write_run(tmp_path, report_runs.go())


@pytest.fixture
def victim(tmp_path):
    path = tmp_path / "victim"
    path.write_text("victim s3cret-word", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", WRITTEN)
def test_no_report_is_written_through_a_link(run, victim, name):
    (run / "report").mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    assert run_command(["report", str(run)]) in (0, 4)
    assert victim.read_text(encoding="utf-8") == "victim s3cret-word"
    assert not (run / name).is_symlink()


def test_no_report_is_written_into_a_folder_elsewhere(run, tmp_path, capsys):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(run / "report", ignore_errors=True)
    (run / "report").symlink_to(elsewhere)
    assert run_command(["report", str(run)]) == 4
    assert "is a link" in capsys.readouterr().err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", READ)
def test_no_file_is_read_through_a_link(run, tmp_path, words, name, capsys):
    """Even one whose content is right."""
    kept = tmp_path / "kept"
    (run / name).rename(kept)
    (run / name).symlink_to(kept)
    before = kept.read_bytes()
    status = run_command([words[0], str(run), *words[1:]])
    told = capsys.readouterr()
    assert status != 0 or (words[0], name) in _UNREAD, told
    assert "Traceback" not in told.err
    assert kept.read_bytes() == before


_UNREAD = {("report", f"{name}.json") for name in ("waivers", "profile", "manifest")} | {("report", "evidence.jsonl")}
"""Reports read no waivers and no profile; evidence or a manifest that cannot be read is what they report."""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", READ)
def test_no_pipe_is_waited_for(run, words, name, capsys):
    (run / name).unlink()
    os.mkfifo(run / name)
    status = run_command([words[0], str(run), *words[1:]])
    assert status != 0 or (words[0], name) in _UNREAD
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in READ if name != "evidence.jsonl"])
@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, '{"a": "\\ud800"}', '{"run": ' + "[" * 500 + "]" * 500 + "}"]
)
def test_what_nests_without_end_is_told_in_one_line(run, name, text, capsys):
    (run / name).write_text(text, encoding="utf-8")
    for words in COMMANDS:
        run_command([words[0], str(run), *words[1:]])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert all(len(line) <= 2000 for line in told.err.splitlines())


def test_evidence_that_nests_without_end_is_a_problem(run):
    with (run / "evidence.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"detail":' * 100_000 + "\n")
    assert any("nests too deeply" in problem for problem in load_record(run).integrity.problems)


def test_a_file_without_end_is_not_read(run, capsys):
    with (run / "policy.json").open("r+b") as file:
        file.truncate(65 * 2**20)
    assert run_command(["judge", str(run)]) == 3
    assert "larger than 64 MiB" in capsys.readouterr().err


@pytest.mark.parametrize("policy", [(), ("--policy", "quick")])
def test_without_its_manifest_a_run_is_never_go(run, policy):
    assert run_command(["judge", str(run)]) == 0
    (run / "manifest.json").unlink()
    assert run_command(["judge", str(run), *policy]) == 3
    assert run_command(["report", str(run)]) == 0
    assert (
        "GO"
        not in (run / "report" / "index.html").read_text(encoding="utf-8").partition("</h1>")[0].partition("<h1")[2]
    )
    assert not (run / "attestation.json").exists()


def test_a_link_among_what_is_sealed_has_changed(run, tmp_path):
    name = "samples/latency.bin"
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(tmp_path)
    assert name in changed_files(run)
    shutil.rmtree(run / "logs")
    (run / "logs").symlink_to(tmp_path)
    assert "logs" in changed_files(run)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_no_evidence_is_added_through_a_link(tmp_path, victim, kind):
    path = tmp_path / "evidence.jsonl"
    path.symlink_to(victim) if kind == "link" else os.mkfifo(path)
    log = EvidenceLog(path, "x", Redactor())
    with pytest.raises(Exception, match=r"evidence.jsonl: (?:evidence cannot be written|is no file)"):
        log.append([Observation(suite="a", check="b", subject="c", outcome=Outcome.PASS)])
    assert victim.read_text(encoding="utf-8") == "victim s3cret-word"


def test_a_draft_that_could_not_be_written_is_gone(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "folder" / "x", b"text")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["x"]
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with pytest.raises(BrokenRunError, match="is a link"):
        replace_file(tmp_path / "link" / "y", b"text")


def test_a_run_is_found_under_the_name_of_a_link(run, tmp_path):
    (tmp_path / "newest").symlink_to(run)
    assert find_run(str(tmp_path / "newest"), tmp_path) == run.resolve()


def test_a_file_may_be_called_anything(run, capsys):
    (run / os.fsdecode(b"logs/\xff\xfe")).touch()
    for words, status in ((["judge"], 3), (["verify"], 1), (["verify", "--json"], 1), (["report"], 0)):
        assert run_command([*words, str(run)]) == status
    assert "harness failed" not in capsys.readouterr().err
    seal(run)
    assert changed_files(run) == ()


def test_many_changed_files_are_told_in_a_line_that_is_no_book(run, capsys):
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"] |= {f"logs/{number}": "0" * 64 for number in range(5000)}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert run_command(["verify", str(run)]) == 1
    said = capsys.readouterr().out
    assert "5000 sealed files changed" in said
    assert len(said) < 2200


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [({"weight": 0}, 3, "is not a policy"), ({"select": {"checks": ["*" * 3000 + "x"]}}, 3, "no evidence of")],
)
def test_a_policy_that_was_written_over_is_bounded(run, capsys, told, status, said):
    policy = json.loads((run / "policy.json").read_text(encoding="utf-8"))
    for criterion in policy["criteria"]:
        criterion.update(told)
    (run / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    assert run_command(["judge", str(run)]) == status
    shown = "".join(capsys.readouterr())
    assert said in shown
    assert max(map(len, shown.splitlines())) < 2200
