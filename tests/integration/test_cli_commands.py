"""The command line as a whole: every command explains itself, and `run` and `report` do what they say."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import harness
from harness.cli.main import COMMANDS, run_command
from harness.run import changed_files, is_sealed
from tests.gate_target import Small, make_small

FORMER_NAMES = """
from harness.stack import allowed
from harness.stack.state import Recipe, read_recipe, write_recipe


def test_one(stack_info, target):
    assert target.allow_hosts == ()
    assert target.cors_origins == ()
    assert allowed("attack", stack_info, target, False) is None


def test_two(target):
    assert target.allow_hosts == ()
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small")
    yield made
    made.end()


class TestEveryCommand:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_has_a_help_with_an_example_of_options_that_it_has(
        self, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run_command([name, "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        example = shown.partition("Example: ")[2]
        assert example.startswith(f"harness {name}")
        command: click.Command = importlib.import_module(f"harness.cli.{name}").command
        known = {option for parameter in command.params for option in parameter.opts}
        own = shlex.split(example.split(", then ")[0].split(" -- ")[0])[2:]
        used = {word for word in own if word.startswith("-")}
        assert used <= known
        assert command.help
        assert {"--json", "--debug"} <= known

    @pytest.mark.parametrize("name", COMMANDS)
    def test_refuses_an_unknown_option_in_one_line(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command([name, "--no-such-option"]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert re.fullmatch(rf"error: .*--no-such-option.* \(see `harness {name} --help`\)\n", shown.err)

    def test_is_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command([]) == 0
        listed = capsys.readouterr().out
        assert run_command(["--help"]) == 0
        assert capsys.readouterr().out.split() == listed.split()
        assert [name for name in COMMANDS if not re.search(rf"^  {name} ", listed, re.MULTILINE)] == []

    def test_a_mistyped_one_names_the_nearest(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command(["gaet"]) == 2
        assert "did you mean 'gate'?" in capsys.readouterr().err
        assert run_command(["xyzzy"]) == 2
        assert ", ".join(COMMANDS) in capsys.readouterr().err

    def test_the_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command(["--version"]) == 0
        assert capsys.readouterr().out == f"harness {harness.__version__}\n"


def test_a_crash_of_ours_is_exit_4_in_one_line_and_a_traceback_only_on_demand(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_words: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("harness.run.find_run", crash)
    assert run_command(["verify", "latest"]) == 4
    assert capsys.readouterr().err == "error: the harness failed: RuntimeError: first second (--debug shows where)\n"
    assert run_command(["verify", "latest", "--debug"]) == 4
    assert "Traceback" in capsys.readouterr().err


class TestRun:
    """`harness run SUITE…`: suites alone."""

    @pytest.fixture
    def aimed(self, small: Small) -> list[str]:
        return ["--target", str(small.profile), "--out", str(small.out), "-n", "1"]

    def test_what_passes_is_0_and_leaves_a_sealed_run(self, small: Small, aimed: list[str]) -> None:
        ran = small.harness("run", "own", *aimed, "--json")
        assert ran.returncode == 0, ran.stderr
        counts = {"passed": 2, "failed": 0, "errors": 0, "skipped": 0, "flaky": 0, "failures": []}
        assert json.loads(ran.stdout) == {"run": small.run.name} | counts
        assert is_sealed(small.run)
        assert changed_files(small.run) == ()
        assert not (small.run / "verdict.json").exists()
        assert small.left() == []

    def test_what_fails_is_1_and_is_shown_with_its_request(self, small: Small, aimed: list[str]) -> None:
        ran = small.harness("run", "own", *aimed, "--env", "HOW=broken")
        assert ran.returncode == 1, ran.stderr
        assert "1 passed, 1 failed, 0 errors" in ran.stdout
        assert "own.answers" in ran.stdout
        assert re.search(r"^    see it: curl .*/item$", ran.stdout, re.MULTILINE)

    def test_words_behind_the_dashes_go_to_pytest(self, small: Small, aimed: list[str]) -> None:
        ran = small.harness("run", "own", *aimed, "--json", "--", "-k", "item")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["passed"] == 1

    def test_a_suite_of_former_names_passes_and_each_is_told_once(self, small: Small, aimed: list[str]) -> None:
        small.suite(FORMER_NAMES)
        (small.folder / "own" / "conftest.py").write_text("from harness.redact import Redactor\n", encoding="utf-8")
        ran = small.harness("run", "own", *aimed, "--json")
        assert json.loads(ran.stdout)["passed"] == 2, ran.stderr
        log = (small.run / "logs" / "pytest-tests.log").read_text(encoding="utf-8")
        told = [line.partition("FormerName: ")[2].split(";")[0] for line in log.splitlines() if "FormerName:" in line]
        assert sorted(told) == [
            "harness.redact is now harness.machine.redaction",
            "harness.stack.allowed is now harness.stack.Permissions",
            "harness.stack.state is now harness.stack.supervisor.registry",
            "target.allow_hosts is now target.allow.hosts",
            "target.cors_origins is now target.cors.origins",
        ]

    def test_nothing_that_ran_is_3(self, small: Small, aimed: list[str]) -> None:
        ran = small.harness("run", "own", *aimed, "--", "-k", "nothing_of_that_name")
        assert ran.returncode == 3, ran.stderr
        assert "none of its tests was run: pytest was given -k nothing_of_that_name" in ran.stdout

    def test_words_that_pytest_does_not_know_are_no_success(self, small: Small, aimed: list[str]) -> None:
        ran = small.harness("run", "own", *aimed, "--", "--no-such-word")
        assert ran.returncode == 3, ran.stdout
        assert "--no-such-word" in ran.stdout

    def test_a_service_that_does_not_start_is_4_with_the_end_of_its_log(self, small: Small, aimed: list[str]) -> None:
        ran = small.harness("run", "own", *aimed, "--env", "HOW=dies")
        assert ran.returncode == 4
        assert ran.stdout == ""
        first, *rest = ran.stderr.splitlines()
        assert first.startswith("error: the service exited with status 7")
        assert rest == [f"line {number}" for number in range(10, 30)]
        assert small.document("run.json")["state"] == "interrupted"
        assert small.left() == []

    @pytest.mark.parametrize(
        ("suites", "said"), [([], "which suites? "), (["owm"], "no suite 'owm'; suites: "), (["own,e2e"], "no suite")]
    )
    def test_suites_that_are_none_are_2(
        self,
        aimed: list[str],
        suites: list[str],
        said: str,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run_command(["run", *suites, *aimed]) == 2
        assert said in capsys.readouterr().err


class TestReport:
    """`harness report RUN`: the same reports again."""

    def test_writes_what_is_missing_and_breaks_no_seal(self, small: Small) -> None:
        small.harness("run", "own", "--target", str(small.profile), "--out", str(small.out), "-n", "1")
        page = small.run / "report" / "index.html"
        page.unlink()
        ran = small.harness("report", "latest", "--out", str(small.out), "--json")
        assert ran.returncode == 0, ran.stderr
        document = json.loads(ran.stdout)
        assert document["run"] == small.run.name
        assert "report/index.html" in document["files"]
        assert all((small.run / name).exists() for name in document["files"])
        assert page.is_file()
        assert changed_files(small.run) == ()

    def test_no_run_is_2(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command(["report", "latest", "--out", str(tmp_path)]) == 2
        assert "no run there" in capsys.readouterr().err

    def test_a_run_that_cannot_be_read_is_3(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "run.json").write_text("{")
        assert run_command(["report", str(tmp_path)]) == 3
        shown = capsys.readouterr().err
        assert "run.json: cannot be read" in shown
        assert shown.count("\n") == 1

    def test_a_place_that_cannot_be_written_is_4(self, small: Small) -> None:
        small.harness("run", "own", "--target", str(small.profile), "--out", str(small.out), "-n", "1")
        (small.run / "summary.md").unlink()
        (small.run / "summary.md").mkdir()
        ran = small.harness("report", str(small.run))
        assert ran.returncode == 4
        assert "summary.md" in ran.stderr.splitlines()[0]


def test_logs_of_a_reader_that_left_is_no_error(small: Small) -> None:
    env = {"XDG_STATE_HOME": str(small.folder / "state")}
    assert small.harness("up", "--target", str(small.profile), env=env).returncode == 0
    try:
        process = small.start("logs", "service-1", env=env)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        with process.stderr as stderr:
            said = stderr.read()
        assert (process.wait(30), said) == (0, "")
    finally:
        small.harness("down", env=env)
