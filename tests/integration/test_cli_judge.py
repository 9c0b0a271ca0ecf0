"""`harness judge` and `harness verify` on runs as the gate leaves them, and on runs that came to harm."""

import json
import shutil
from pathlib import Path

import pytest

from harness.cli.main import run_command
from harness.config import policy_document, target_document, waivers_document
from harness.judge import judge, verdict_document
from harness.machine.bundle import root
from harness.model import Observation, Outcome, Service, Target
from harness.run import create_run, load_record, seal
from tests.judging import criterion, policy

RULES = policy(criterion(id="security.headers"))
STARTED = Observation(suite="gate", check="startup", subject="service", outcome=Outcome.PASS)


def header(subject: str, outcome: Outcome = Outcome.PASS) -> Observation:
    """One check of a header."""
    return Observation(suite="security", check="headers.hsts", subject=subject, outcome=outcome)


@pytest.fixture
def make(tmp_path):
    """`make(*outcomes, state=…)`: the folder of a run; sealed only if it finished."""

    def make(*outcomes: Outcome, state: str = "finished") -> Path:
        target = Target(name="shop", source="", service=Service(url="http://127.0.0.1:1"))
        documents = {
            "profile": target_document(target),
            "policy": policy_document(RULES),
            "waivers": waivers_document(()),
        }
        run = create_run(tmp_path, kind="gate", target=target, policy="test", commit=None, documents=documents)
        run.record([STARTED, *(header(f"GET /{place}", outcome) for place, outcome in enumerate(outcomes))])
        if state != "running":
            run.close(state)
        if state == "finished":
            (run.path / "verdict.json").write_bytes(verdict_document(judge(RULES, (), load_record(run.path))))
            seal(run.path)
        return run.path

    return make


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a run."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lose_half(folder: Path) -> None:
    """Delete half of the evidence lines."""
    path = folder / "evidence.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))


class TestJudge:
    @pytest.mark.parametrize(
        ("outcomes", "status", "verdict"),
        [((Outcome.PASS,), 0, "GO"), ((Outcome.PASS, Outcome.FAIL), 1, "NO-GO"), ((Outcome.ERROR,), 3, "INCONCLUSIVE")],
    )
    def test_the_verdict_decides_the_exit_and_the_run_stays_as_it_is(self, make, capsys, outcomes, status, verdict):
        folder = make(*outcomes)
        before = files_of(folder)
        assert run_command(["judge", str(folder)]) == status
        shown = capsys.readouterr()
        assert verdict in shown.out
        assert "security.headers" in shown.out
        assert shown.err == ""
        assert files_of(folder) == before

    def test_json_is_the_document_and_nothing_else(self, make, capsys):
        folder = make(Outcome.PASS)
        assert run_command(["judge", "--json", str(folder)]) == 0
        assert capsys.readouterr().out.encode() == (folder / "verdict.json").read_bytes()

    def test_a_run_is_found_by_latest_and_by_id(self, make, tmp_path):
        folder = make(Outcome.PASS)
        assert run_command(["judge", "latest", "--out", str(tmp_path)]) == 0
        assert run_command(["judge", folder.name, "--out", str(tmp_path)]) == 0

    def test_half_of_the_evidence_is_never_go_and_nothing_is_overwritten(self, make, capsys):
        folder = make(*[Outcome.PASS] * 9)
        lose_half(folder)
        before = files_of(folder)
        assert run_command(["judge", "--json", str(folder)]) == 3
        found = json.loads(capsys.readouterr().out)
        assert found["verdict"] == "INCONCLUSIVE"
        assert any("10 lines of evidence were written, 5 are there" in reason for reason in found["held_back"])
        assert files_of(folder) == before

    @pytest.mark.parametrize("name", ["policy.json", "verdict.json", "profile.json", "run.json"])
    def test_a_sealed_file_that_was_touched_is_never_go(self, make, name):
        folder = make(Outcome.PASS)
        path = folder / name
        path.write_bytes(path.read_bytes() + b"\n")
        before = files_of(folder)
        assert run_command(["judge", str(folder)]) == 3
        assert files_of(folder) == before

    @pytest.mark.parametrize("state", ["running", "interrupted"])
    def test_a_run_that_never_ended_gets_its_verdict_now(self, make, state):
        folder = make(Outcome.PASS, state=state)
        assert run_command(["judge", str(folder)]) == 3
        assert json.loads((folder / "verdict.json").read_bytes())["verdict"] == "INCONCLUSIVE"
        written = (folder / "verdict.json").read_bytes()
        assert run_command(["judge", str(folder)]) == 3
        assert (folder / "verdict.json").read_bytes() == written

    def test_another_policy_is_printed_and_changes_nothing(self, make, capsys, tmp_path):
        folder = make(Outcome.PASS)
        stricter = tmp_path / "stricter.toml"
        stricter.write_text(
            'schema = 1\n[[criterion]]\nid = "csp"\narea = "security"\nselect = { check = "csp.*" }\n', encoding="utf-8"
        )
        before = files_of(folder)
        assert run_command(["judge", "--json", "--policy", str(stricter), str(folder)]) == 3
        found = json.loads(capsys.readouterr().out)
        assert (found["policy"], found["criteria"][-1]["status"]) == ("stricter", "not_run")
        assert files_of(folder) == before
        assert run_command(["judge", "--policy", "quick", str(folder)]) == 3
        assert files_of(folder) == before

    def test_another_policy_gives_no_verdict_to_a_run_that_has_none(self, make):
        folder = make(Outcome.PASS, state="interrupted")
        assert run_command(["judge", "--policy", "quick", str(folder)]) == 3
        assert not (folder / "verdict.json").exists()

    def test_a_mistaken_policy_is_a_mistake_of_the_user(self, make, capsys):
        folder = make(Outcome.PASS)
        assert run_command(["judge", "--policy", "qiuck", str(folder)]) == 2
        assert capsys.readouterr().err.count("\n") == 1

    def test_no_run_is_exit_2_in_one_line(self, tmp_path, capsys):
        assert run_command(["judge", str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert "no run there" in err
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            ("run.json", b"{", "run.json: cannot be read"),
            ("run.json", b"[]", "run.json: an object was expected"),
            ("run.json", b"{}", "run.json: is not a run's record"),
            ("policy.json", b'{"name": 5}', "policy.json: is not a policy"),
            ("waivers.json", b"{}", "waivers.json: are not waivers"),
            ("manifest.json", b"\xff", "manifest.json: cannot be read"),
        ],
    )
    def test_what_cannot_be_read_is_exit_3_in_one_line(self, make, capsys, name, text, said):
        folder = make(Outcome.PASS)
        (folder / name).write_bytes(text)
        assert run_command(["judge", str(folder)]) == 3
        shown = capsys.readouterr()
        assert (said in shown.err, shown.err.count("\n"), shown.out) == (True, 1, "")

    def test_a_run_without_a_policy_asks_for_one(self, make, capsys):
        folder = make(Outcome.PASS, state="interrupted")
        (folder / "policy.json").unlink()
        assert run_command(["judge", str(folder)]) == 3
        assert "--policy" in capsys.readouterr().err

    def test_garbage_between_the_lines_of_evidence_is_never_go(self, make):
        folder = make(Outcome.PASS)
        with (folder / "evidence.jsonl").open("ab") as file:
            file.write(b"\x00\xff garbage\n{}\n")
        assert run_command(["judge", str(folder)]) == 3

    def test_evidence_of_another_run_is_never_go(self, make):
        folder, other = make(Outcome.PASS), make(Outcome.PASS)
        shutil.copy(other / "evidence.jsonl", folder / "evidence.jsonl")
        (folder / "manifest.json").unlink()
        assert run_command(["judge", str(folder)]) == 3


class TestVerify:
    def test_a_sealed_run_is_unchanged(self, make, capsys):
        folder = make(Outcome.PASS)
        assert run_command(["verify", str(folder)]) == 0
        assert "unchanged" in capsys.readouterr().out

    def test_every_changed_file_is_named(self, make, capsys):
        folder = make(Outcome.PASS)
        lose_half(folder)
        (folder / "waivers.json").unlink()
        (folder / "samples" / "new.json").write_text("{}", encoding="utf-8")
        assert run_command(["verify", "--json", str(folder)]) == 1
        found = json.loads(capsys.readouterr().out)
        assert found == {
            "run": folder.name,
            "sealed": True,
            "changed": ["evidence.jsonl", "samples/new.json", "waivers.json"],
        }

    def test_reports_are_outside_of_the_seal(self, make):
        folder = make(Outcome.PASS)
        (folder / "summary.md").write_text("again", encoding="utf-8")
        assert run_command(["verify", str(folder)]) == 0

    def test_a_run_that_was_never_sealed_is_exit_3(self, make, capsys):
        folder = make(Outcome.PASS, state="interrupted")
        assert run_command(["verify", str(folder)]) == 3
        assert "never sealed" in capsys.readouterr().out

    def test_no_run_is_exit_2(self, tmp_path):
        assert run_command(["verify", str(tmp_path)]) == 2


def test_the_shipped_policies_rule_a_strangers_run_without_crashing(make):
    folder = make(Outcome.PASS)
    for name in ("quick", "release"):
        assert (root() / "policies" / f"{name}.toml").is_file()
        assert run_command(["judge", "--policy", name, str(folder)]) == 3
