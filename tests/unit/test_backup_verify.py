"""A damaged, old or foreign backup is refused before it is needed, with the file that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backup import Backup, DatabaseFacts, Expected, Manifest, compare, find_flaws
from harness.backup.facts import SequenceFacts, TableFacts
from harness.backup.manifest import DATA, Point, Server, stored_files, write_manifest
from harness.errors import UsageError

TAKEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = TAKEN + timedelta(hours=1)
HERE = Expected(system="71", stack="a1", database="app", major=18, max_age_s=86400)
FILES = {
    "PG_VERSION": b"18\n",
    "base/1/112": bytes(range(64)),
    "pg_wal/000000010000000000000001": b"log" * 9,
    "empty": b"",
}


def make_backup(folder: Path, **other: object) -> Backup:
    data = folder / DATA
    for name, content in FILES.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    (data / "pg_notify").mkdir()
    files, folders = stored_files(data)
    manifest = Manifest(
        schema=1,
        harness="0",
        method="base",
        why="",
        server=Server(system="71", stack="a1", version=180006, superuser="postgres", roles=()),
        database="app",
        point=Point(name="p", lsn="0/1", at=TAKEN.isoformat()),
        facts=DatabaseFacts(tables={}, sequences={}),
        files=files,
        folders=folders,
        seconds=1.0,
        locked_ms=1.0,
    )
    return write_manifest(folder, replace(manifest, **other))


def flaws(folder: Path, expected: Expected = HERE, now: datetime = LATER) -> list[str]:
    return [str(flaw) for flaw in find_flaws(folder, expected, now)]


def test_a_sound_one_has_no_flaw(tmp_path: Path) -> None:
    make_backup(tmp_path)
    assert flaws(tmp_path) == []
    assert flaws(tmp_path, Expected()) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_backup(tmp_path_factory.mktemp("backup")).folder


@given(place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7), which=st.integers(min_value=0))
def test_one_bit_of_any_file_is_named(folder: Path, place: int, bit: int, which: int) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = paths[which % len(paths)]
    before = path.read_bytes()
    content = bytearray(before)
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    try:
        (found,) = flaws(folder)
    finally:
        path.write_bytes(before)
    changed = f"{path.relative_to(folder)}: was changed"
    assert found.startswith(("manifest.json: is not what manifest.sha256 says", changed))


LOG = f"{DATA}/pg_wal/000000010000000000000001"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda b: (b / LOG).unlink(), f"{LOG}: is missing"),
        (lambda b: (b / LOG).write_bytes(b"log"), f"{LOG}: has 3 bytes and had 27"),
        (lambda b: (b / LOG).write_bytes(b"log" * 10), f"{LOG}: has 30 bytes and had 27"),
        (lambda b: (b / DATA / "standby.signal").touch(), f"{DATA}/standby.signal: is no file of this backup"),
        (lambda b: (b / DATA / "linked").symlink_to("/etc"), f"{DATA}/linked: is no file of this backup"),
        (lambda b: (b / "notes").touch(), "notes: is no file of this backup"),
        (lambda b: (b / "manifest.json").unlink(), "manifest.json: is missing"),
        (lambda b: (b / "manifest.sha256").unlink(), "manifest.sha256: is missing"),
        (lambda b: ((b / LOG).unlink(), (b / LOG).symlink_to("/etc/passwd")), f"{LOG}: is a link, and was a file"),
        (lambda b: ((b / LOG).unlink(), (b / LOG).mkdir()), f"{LOG}: is no file any more"),
    ],
)
def test_other_damage_is_named(tmp_path: Path, damage: object, said: str) -> None:
    make_backup(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    assert flaws(tmp_path) == [said]


def test_an_empty_folder_that_is_gone_is_no_damage(tmp_path: Path) -> None:
    """It is made again: many a copy leaves empty folders out."""
    make_backup(tmp_path)
    (tmp_path / DATA / "pg_notify").rmdir()
    assert flaws(tmp_path) == []


@pytest.mark.parametrize(
    ("expected", "now", "said"),
    [
        (HERE, TAKEN + timedelta(days=3), "the backup is 3 d old; 24 h are allowed"),
        (HERE, TAKEN - timedelta(hours=3), "the backup was taken in 3 h: a clock is wrong, and its age unknown"),
        (replace(HERE, system="72"), LATER, "a backup of another server (system 71, not 72)"),
        (replace(HERE, stack="b2"), LATER, "a backup of another stack (a1, not b2)"),
        (replace(HERE, database="shop"), LATER, "a backup of database 'app', not of 'shop'"),
        (replace(HERE, major=17), LATER, "taken by a newer server: Postgres 18, and 17 is here"),
        (replace(HERE, major=19), LATER, "files of Postgres 18, which Postgres 19 cannot read"),
    ],
)
def test_one_that_is_of_no_use_is_refused(tmp_path: Path, expected: Expected, now: datetime, said: str) -> None:
    make_backup(tmp_path)
    assert flaws(tmp_path, expected, now) == [f"manifest.json: {said}"]


def test_a_dump_can_be_read_by_a_newer_server(tmp_path: Path) -> None:
    make_backup(tmp_path, method="dump")
    assert flaws(tmp_path, replace(HERE, major=19)) == []
    assert len(flaws(tmp_path, replace(HERE, major=17))) == 1


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    make_backup(tmp_path, schema=2)
    assert flaws(tmp_path) == ["manifest.json: is of schema 2, this harness reads 1"]


@pytest.mark.parametrize("made", [None, "folder", "file"])
def test_what_is_no_backup_is_no_damaged_one(tmp_path: Path, made: str | None) -> None:
    place = tmp_path / "place"
    if made == "folder":
        place.mkdir()
    elif made == "file":
        place.touch()
    with pytest.raises(UsageError, match="no such folder" if made != "folder" else "no backup of the harness"):
        find_flaws(place, HERE, LATER)


COUNTS = st.integers(-5, 5)


@given(
    value=COUNTS, other=COUNTS, called=st.booleans(), others_called=st.booleans(), step=st.sampled_from((-2, -1, 1, 3))
)
def test_a_sequence_that_is_behind_gives_out_a_number_again(value, other, called, others_called, step):
    restored = SequenceFacts(value=value, called=called, increment=step, cycles=False)
    was = SequenceFacts(value=other, called=others_called, increment=step, cycles=False)
    comes, came = value + step * called, other + step * others_called
    assert restored.is_behind(was) == (comes * step < came * step)
    assert not replace(restored, cycles=True).is_behind(was)


def test_a_table_that_may_lose_its_rows_must_be_there() -> None:
    table = TableFacts(rows=3, checksum="9")
    was = DatabaseFacts(tables={"a.b": table}, sequences={})
    empty = DatabaseFacts(tables={"a.b": TableFacts(rows=0, checksum="0")}, sequences={})
    assert len(compare(was, empty, exact=True)) == 1
    assert compare(was, empty, exact=True, leave_out=("a.b",)) == ()
    assert len(compare(was, DatabaseFacts(tables={}, sequences={}), exact=True, leave_out=("a.b",))) == 1
