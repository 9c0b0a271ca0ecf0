"""What `harness gate` refuses before anything starts: exit 2 and one line that says what, where and what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cli.main import run_command
from tests.gate_target import Small, make_small

Refused = Callable[..., str]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    monkeypatch.chdir(tmp_path)
    made = make_small(tmp_path / "small")
    yield made
    made.end()


@pytest.fixture
def refused(small: Small, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a gate that must be refused; returns the one line that it prints."""

    def gate(*words: str, status: int = 2) -> str:
        capsys.readouterr()
        assert run_command(["gate", *words]) == status
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1, shown.err
        assert shown.err.startswith("error: ")
        assert not list(small.out.glob("runs/*")), "a run was begun"
        return shown.err

    return gate


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def line_of(path: Path, text: str) -> int:
    return path.read_text().splitlines().index(text) + 1


def test_an_unknown_key_of_the_profile(small: Small, refused: Refused) -> None:
    change(small.profile, "timeout_s = 2", "timeuot_s = 2")
    said = refused(*small.aimed)
    assert f"{small.profile}:{line_of(small.profile, 'timeuot_s = 2')}: service.timeuot_s: " in said
    assert "did you mean 'timeout_s'?" in said


def test_a_wrong_type_in_the_profile(small: Small, refused: Refused) -> None:
    change(small.profile, "timeout_s = 2", 'timeout_s = "two"')
    said = refused(*small.aimed)
    line = line_of(small.profile, 'timeout_s = "two"')
    assert f"{small.profile}:{line}: service.timeout_s: " in said


def test_a_weight_of_a_check_that_does_not_exist(small: Small, refused: Refused) -> None:
    small.profile.write_text(small.profile.read_text() + "[preflight]\nweights = { folder = 2 }\n")
    assert "folders" in refused(*small.aimed)


def test_an_unknown_key_of_the_policy(small: Small, refused: Refused) -> None:
    change(small.policy, 'area = "e2e"', 'aera = "e2e"')
    said = refused(*small.aimed)
    assert f"{small.policy}:" in said
    assert "aera" in said
    assert "'area'" in said


def test_a_select_that_could_never_match(small: Small, refused: Refused) -> None:
    change(small.policy, "own.*", "owm.*")
    said = refused(*small.aimed)
    assert f"{small.policy.name}:{line_of(small.policy, '[[criterion]]')}: criterion 'own': select: 'owm.*'" in said


def test_a_policy_without_criteria(small: Small, refused: Refused) -> None:
    small.policy.write_text("schema = 1\n")
    assert f"{small.policy}: has no [[criterion]]" in refused(*small.aimed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[waiver]]\ncriterion = "own"\nownr = "x"', "ownr"),
        ('[[waiver]]\ncriterion = "startup"\nowner = "x"\nreason = "y"\nexpires = 2027-01-31', "cannot be waived"),
        ('[[waiver]]\ncriterion = "owm"\nowner = "x"\nreason = "y"\nexpires = 2027-01-31', "did you mean 'own'?"),
    ],
)
def test_waivers_beside_the_policy_that_could_never_hold(small: Small, refused: Refused, text: str, said: str) -> None:
    waivers = small.folder / "waivers.toml"
    waivers.write_text(text + "\n")
    line = refused(*small.aimed)
    assert f"{waivers}:" in line
    assert said in line


@pytest.mark.parametrize("option", ["--target", "--policy"])
def test_a_file_that_is_not_there(small: Small, refused: Refused, option: str) -> None:
    words = small.aimed
    words[words.index(option) + 1] = "nowhere/none.toml"
    assert "nowhere/none.toml: no " in refused(*words)


def test_a_folder_of_suites_that_is_not_there(small: Small, refused: Refused) -> None:
    change(small.profile, 'paths = ["own"]', 'paths = ["owm"]')
    said = refused(*small.aimed)
    line = line_of(small.profile, 'paths = ["owm"]')
    assert f"{small.profile}:{line}: suites.paths[1]: " in said
    assert str(small.folder / "owm") in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--env", "X"], "'X' is not KEY=VALUE"),
        (["--env", "=x"], "'=x' is not KEY=VALUE"),
        (["--only", "nosuch"], "no suite 'nosuch'; suites: "),
        (["--only", "nosuch", "--only", "own"], "no suite 'nosuch'; suites: "),
        (["--without", "nosuch"], "no suite 'nosuch'; suites: "),
        (["--only", ","], "it names nothing"),
        (["--without", ""], "it names nothing"),
        (["--stack", "nosuch"], "'embedded', 'docker', 'attach'"),
        (["-n", "0"], "-n"),
        (["-n", "many"], "-n"),
        (["--port", "70000"], "--port"),
        (["--policy", "qiuck"], "did you mean 'quick'?"),
        (["--nosuch"], "--nosuch"),
        (["extra"], "extra"),
        (["--stack", "attach", "--name", "../x"], "--name"),
        (["--stack", "attach", "--name", "nobody-up"], "harness up --name nobody-up"),
    ],
)
def test_options_that_cannot_be(small: Small, refused: Refused, words: list[str], said: str) -> None:
    # the words that aim it name a suite already: both count
    assert said in refused(*small.aimed, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "ftp://x"], "http://HOST:PORT"),
        (["--url", "127.0.0.1:8000"], "http://HOST:PORT"),
        (["--url", "http://"], "http://HOST:PORT"),
        (["--url", "http://[::1"], "http://HOST:PORT"),
        (["--url", "http://127.0.0.1:99999"], "http://HOST:PORT"),
        (["--url", "http://127.0.0.1:9", "--stack", "embedded"], "give one of them"),
        (["--url", "http://127.0.0.1:9", "--env", "A=b"], "--env A"),
        (["--url", "http://127.0.0.1:9", "--port", "9999"], "--port 9999"),
        (["--url", "http://127.0.0.1:9", "--keep-up"], "--keep-up"),
    ],
)
def test_addresses_that_cannot_be(refused: Refused, words: list[str], said: str) -> None:
    assert said in refused(*words)


def test_no_target_outside_of_the_repository(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.stack.selection.in_checkout", lambda: False)
    said = refused()
    assert "--target NAME|PATH" in said
    assert "--url URL" in said


def test_a_folder_for_runs_that_cannot_be_made(small: Small, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(*small.aimed, "--out", str(tmp_path / "file" / "out"))
    assert str(tmp_path / "file" / "out") in said
    assert "--out" in said
    # a file in its place
    assert str(tmp_path / "file") in refused(*small.aimed, "--out", str(tmp_path / "file"))


class TestTheFirstLineOfAnExit4:
    """What stops a gate before its first test is said in the first line, with no progress before it."""

    @pytest.fixture
    def port(self) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            yield listening.getsockname()[1]

    def gate(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        assert run_command(["gate", *words]) == 4
        shown = capsys.readouterr()
        assert shown.out == ""
        return shown.err.splitlines()[0]

    def test_an_address_where_nobody_answers(self, small: Small, capsys: pytest.CaptureFixture[str]) -> None:
        url = "http://127.0.0.1:9"
        first = self.gate(capsys, "--url", url, "--out", str(small.out))
        assert first == f"error: {url} does not answer: connection refused; start it, or correct --url"
        assert small.document("run.json")["state"] == "interrupted"
        assert not (small.run / "verdict.json").exists()

    def test_a_port_that_is_taken_names_its_holder(
        self, small: Small, capsys: pytest.CaptureFixture[str], port: int
    ) -> None:
        first = self.gate(capsys, *small.aimed, "--port", str(port))
        assert f"port {port} on 127.0.0.1 is in use by pid {os.getpid()} (" in first
        assert not (small.run / "verdict.json").exists()
        assert small.left() == []
