"""`harness backup` as a person calls it: what it prints, and how it ends."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.main import run_command
from tests.backed_up import stack_with

ROWS = "CREATE TABLE items (id serial PRIMARY KEY, name text); INSERT INTO items (name) VALUES ('kettle'), ('pan')"


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = f"backup-{secrets.token_hex(4)}"
    with stack_with(tmp_path_factory.mktemp("service"), name, ROWS):
        yield name


@pytest.fixture(scope="module")
def taken(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backups") / "backup"
    assert run_command(["backup", "take", str(folder), "--name", name]) == 0
    return folder


def test_from_taking_to_restoring(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(["backup", "take", "--name", name, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["method"], made["tables"], made["rows"], made["why"]) == ("base", 1, 2, "")
    assert Path(made["folder"]).parent == tmp_path / "reports" / "backups"
    assert run_command(["backup", "verify", made["folder"], "--name", name]) == 0
    assert "never restored: not proven to be a backup" in capsys.readouterr().out
    assert run_command(["backup", "take", "later", "--since", made["folder"], "--name", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["at"] > made["at"]
    assert run_command(["backup", "restore", made["folder"], "--into", "kept", "--json"]) == 0
    restored = json.loads(capsys.readouterr().out)
    assert (restored["flaws"], restored["differences"], restored["rows"], restored["into"]) == ([], [], 2, "kept")
    assert Path("kept/PG_VERSION").is_file()
    assert run_command(["backup", "verify", made["folder"]]) == 0
    assert f"restored at {restored['restored']}: compared" in capsys.readouterr().out


def test_a_damaged_one_is_told_in_one_line_and_not_restored(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "backup"
    assert run_command(["backup", "take", str(folder), "--name", name, "--method", "dump"]) == 0
    dump = folder / "data" / "database.dump"
    content = bytearray(dump.read_bytes())
    content[100] ^= 1
    dump.write_bytes(content)
    capsys.readouterr()
    assert run_command(["backup", "verify", str(folder)]) == 1
    told = f"{folder}: data/database.dump: was changed since it was taken: its digest is another one\n"
    assert capsys.readouterr().out == told
    assert run_command(["backup", "restore", str(folder), "--into", str(tmp_path / "kept")]) == 1
    assert capsys.readouterr().out == f"{told}nothing was restored\n"
    assert run_command(["backup", "restore", str(folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["restored"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


def test_an_old_one_and_one_of_another_server(taken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["backup", "verify", str(taken), "--max-age", "1ms", "--json"]) == 1
    (flaw,) = json.loads(capsys.readouterr().out)["flaws"]
    assert "the backup is" in flaw["text"]
    policy = tmp_path / "own.toml"
    policy.write_text('schema = 1\nextends = "release"\nbackup_max_age_h = 1e-9\n')
    assert run_command(["backup", "verify", str(taken), "--policy", str(policy)]) == 1
    assert "manifest.json: the backup is" in capsys.readouterr().out
    assert run_command(["backup", "verify", str(taken), "--policy", str(policy), "--max-age", "1h"]) == 0
    other = f"backup-{secrets.token_hex(4)}"
    with stack_with(tmp_path, other, "SELECT 1"):
        assert run_command(["backup", "verify", str(taken), "--name", other]) == 1
    assert "manifest.json: a backup of another stack" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["take", "--name", "nobody"], "no stack 'nobody' is up; start it: harness up --name nobody"),
        (["take", "{taken}", "--name", "{name}"], "is there already; give the name of a new folder"),
        (["take", "--since", "{taken}", "--method", "dump", "--name", "{name}"], "a dump has no log to go on with"),
        (["take", "--since", "nowhere", "--name", "{name}"], "nowhere: no such folder"),
        (["take", "--into", "x"], "--into: `backup take` has no use for it"),
        (["verify"], "backup verify: name the backup's FOLDER"),
        (["verify", "nowhere"], "nowhere: no such folder"),
        (["verify", "."], "no backup of the harness"),
        (["verify", "{taken}", "--name", "nobody"], "no stack 'nobody' is up, whose backup this should be"),
        (["verify", "{taken}", "--max-age", "soon"], "duration 'soon'"),
        (["verify", "{taken}", "--policy", "releese"], "no policy 'releese'"),
        (["restore", "{taken}", "--method", "dump"], "--method: `backup restore` has no use for it"),
        (["restore", "{taken}", "--into", "{taken}"], "is there already"),
        (["mend", "{taken}"], "'mend' is not one of 'take', 'verify', 'restore'"),
    ],
)
def test_what_cannot_be_is_refused(
    taken: Path,
    name: str,
    tmp_path: Path,
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [word.format(taken=taken, name=name) for word in words]
    capsys.readouterr()
    assert run_command(["backup", *given]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1
