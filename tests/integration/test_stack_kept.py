"""Data that `prepare_cached` makes: once for one state of the sources, then kept for every stack of the same ones."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from harness.errors import StackError, StartupError
from harness.model import Noted, ProgressEvent, StackInfo, Target
from harness.stack import launch
from harness.stack.servers.data_cache import MOST_KEPT
from harness.stack.servers.postgres import PREPARED
from tests.stack_target import small_target

ROOT = Path(__file__).parents[2]
FILL = """\
import os, pathlib, psycopg, sys
with open(os.environ["TOLD"], "a") as told:
    told.write("filled\\n")
print("filling", flush=True)
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("CREATE TABLE things (name text, number int)")
    connection.execute("INSERT INTO things SELECT 'thing', n FROM generate_series(1, 5000) n")
    connection.execute("CREATE TABLE logins (password text)")
if os.environ.get("CHANGES"):
    pathlib.Path("fill.py").write_text(pathlib.Path("fill.py").read_text() + "# changed\\n")
sys.exit(int(os.environ.get("FILL_FAILS", "0")))
"""
LOGIN = """\
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    connection.execute("DELETE FROM logins")
    connection.execute("INSERT INTO logins VALUES (%s)", [os.environ["LOGIN"]])
"""
ANOTHER = """\
import sys
from pathlib import Path
from harness.stack import launch
from tests.integration.test_stack_kept import kept_target, things

with launch(kept_target(Path(sys.argv[1]))) as stack:
    print(things(stack.info))
"""


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache that the servers' user can reach, which pytest's own folders are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        monkeypatch.setenv("XDG_CACHE_HOME", name)
        yield Path(name) / "harness"


def kept_target(folder: Path, **env: str) -> Target:
    """A small service whose data is filled once, and whose login's password is set for every stack."""
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    target = small_target(sources, needs=("postgres",))
    for name, text in (("fill.py", FILL), ("login.py", LOGIN)):
        if not (sources / name).exists():
            (sources / name).write_text(text)
    settings = {"DATABASE_URL": "{database_url}", "LOGIN": "{secret.LOGIN}", "TOLD": str(folder / "told"), **env}
    service = replace(
        target.service, prepare_cached=(("python", "fill.py"),), prepare=(("python", "login.py"),), env=settings
    )
    return replace(target, service=service)


def times_filled(folder: Path) -> int:
    told = folder / "told"
    return len(told.read_text().splitlines()) if told.exists() else 0


def ask(info: StackInfo, question: str) -> list[tuple[object, ...]]:
    with psycopg.connect(info.database_url or "") as connection:
        return connection.execute(question.encode()).fetchall()


def things(info: StackInfo) -> int:
    return int(str(ask(info, "SELECT count(*) FROM things")[0][0]))


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.glob("prepared-*") if path.is_dir())


def bring(target: Target) -> tuple[int, list[str]]:
    """Rows of a stack's database, and what was noted while it started."""
    notes: list[str] = []

    def listen(event: ProgressEvent) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    with launch(target, listen=listen) as stack:
        return things(stack.info), notes


def test_the_next_stack_finds_the_data_and_has_passwords_of_its_own(cache: Path, tmp_path: Path) -> None:
    target = kept_target(tmp_path)
    with launch(target) as first, launch(target) as second:
        assert times_filled(tmp_path) == 1
        assert things(first.info) == things(second.info) == 5000
        for stack in (first, second):
            info = stack.info
            assert ask(info, "SELECT password FROM logins") == [(info.secrets["LOGIN"],)]
            assert ask(info, "SELECT tableowner FROM pg_tables WHERE tablename = 'things'") == [("app",)]
            assert (PREPARED,) in ask(info, "SELECT datname FROM pg_database")
            assert Path(info.state_dir, "logs", "prepare-cached-1.log").read_text() == "filling\n"
            assert Path(f"/proc/{info.pids['postgres']}").exists()
        names = ("LOGIN", "postgres_superuser")
        assert not {first.info.secrets[name] for name in names} & {second.info.secrets[name] for name in names}
        assert first.info.database_url != second.info.database_url
    assert len(kept(cache)) == 1


def test_the_prepared_database_for_tests_holds_it_all(cache: Path, tmp_path: Path) -> None:
    assert cache.parent.exists()
    for _ in range(2):
        with launch(kept_target(tmp_path)) as stack:
            info = stack.info
            superuser = {"user": "postgres", "password": info.secrets["postgres_superuser"]}
            address = psycopg.conninfo.make_conninfo(info.database_url or "", dbname="template1", **superuser)
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE mine TEMPLATE {PREPARED}".encode())
            with psycopg.connect(psycopg.conninfo.make_conninfo(address, dbname="mine")) as connection:
                found = connection.execute("SELECT (SELECT count(*) FROM things), password FROM logins").fetchone()
            assert found == (5000, info.secrets["LOGIN"])


CHANGES: Sequence[tuple[str, Callable[[Path], object]]] = (
    ("a file's content", lambda folder: (folder / "fill.py").write_text(FILL.replace("5000", "4000"))),
    ("a new file", lambda folder: (folder / "0002_more.sql").write_text("SELECT 1")),
    ("a removed file", lambda folder: (folder / "unused.py").unlink()),
)


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_a_changed_source_is_prepared_anew(cache: Path, tmp_path: Path, change: Callable[[Path], object]) -> None:
    target = kept_target(tmp_path)
    (tmp_path / "sources" / "unused.py").touch()
    assert bring(target) == (5000, [])
    change(tmp_path / "sources")
    rows, _ = bring(target)
    assert times_filled(tmp_path) == 2
    assert rows == (4000 if "4000" in (tmp_path / "sources" / "fill.py").read_text() else 5000)
    assert len(kept(cache)) == 2


def test_another_setting_prepares_anew(cache: Path, tmp_path: Path) -> None:
    target = kept_target(tmp_path)
    for overrides in ({}, {"COUNTRY": "nl"}, {"COUNTRY": "nl"}):
        with launch(target, overrides=overrides):
            pass
    assert times_filled(tmp_path) == 2
    assert len(kept(cache)) == 2


def test_a_command_that_fails_is_the_services_fault_and_keeps_nothing(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"prepare_cached: `python fill.py` exited with status 7") as caught:
        launch(kept_target(tmp_path, FILL_FAILS="7"))
    assert caught.value.output == "filling"
    assert kept(cache) == []
    assert bring(kept_target(tmp_path)) == (5000, [])


def test_what_changes_while_it_prepares_is_not_kept(cache: Path, tmp_path: Path) -> None:
    rows, notes = bring(kept_target(tmp_path, CHANGES="yes"))
    assert rows == 5000
    assert notes == ["the prepared data is not kept for the next stack: the sources changed while they prepared it"]
    assert kept(cache) == []


def largest(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def remove_facts(folder: Path) -> None:
    (folder / "facts.json").unlink()


@pytest.mark.parametrize(
    "damage", [lambda place: largest(place / "data" / "base").write_bytes(b""), remove_facts], ids=["cut", "half made"]
)
def test_data_that_is_not_whole_is_not_used(cache: Path, tmp_path: Path, damage: Callable[[Path], object]) -> None:
    target = kept_target(tmp_path)
    bring(target)
    damage(kept(cache)[0])
    assert bring(target) == (5000, [])
    assert times_filled(tmp_path) == 2
    assert bring(target) == (5000, [])
    assert times_filled(tmp_path) == 2


def test_data_that_no_server_starts_on_is_said_and_removed(cache: Path, tmp_path: Path) -> None:
    target = kept_target(tmp_path)
    bring(target)
    control = kept(cache)[0] / "data" / "global" / "pg_control"
    control.write_bytes(bytes(control.stat().st_size))
    with pytest.raises(StackError, match=r"Postgres exited .*kept from before, now removed: start again"):
        launch(target)
    assert kept(cache) == []
    assert bring(target) == (5000, [])


def test_two_stacks_that_start_at_once_keep_one(cache: Path, tmp_path: Path) -> None:
    kept_target(tmp_path)
    command = [sys.executable, "-c", ANOTHER, str(tmp_path)]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert said == ["5000\n", "5000\n"]
    assert len(kept(cache)) == 1
    assert bring(kept_target(tmp_path))[0] == 5000
    assert times_filled(tmp_path) <= 2


def test_the_ones_not_used_for_longest_are_removed(cache: Path, tmp_path: Path) -> None:
    target = kept_target(tmp_path)
    bring(target)
    first = kept(cache)[0]
    for number in range(MOST_KEPT):
        (first.parent / f"prepared-{number}").mkdir()
    bring(target)
    (tmp_path / "sources" / "new.sql").touch()
    bring(target)
    assert len(kept(cache)) == MOST_KEPT
    assert first in kept(cache)
