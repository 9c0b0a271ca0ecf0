"""Backups of a real Postgres: taken while it is written to, restored into a fresh server, compared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backup import (
    Backup,
    Expected,
    Source,
    UnrestorableError,
    advance_backup,
    check_restored,
    compare,
    find_differences,
    find_flaws,
    find_programs,
    open_backup,
    read_facts,
    restore,
    restored,
    source_of,
    take_backup,
    writing,
)
from harness.backup import restoration as restoring
from harness.backup.manifest import now
from harness.backup.source import Programs
from harness.errors import StackError, UsageError
from harness.model import StackInfo
from tests.backed_up import run, stack_with
from tests.stack_target import eventually, folders_of, marked_processes

METHODS = ("base", "dump")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    with stack_with(tmp_path_factory.mktemp("service")) as info:
        yield source_of(info)


@pytest.fixture(scope="module", autouse=True)
def backups(source: Source, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backup]:
    """Taken before any test has written to the source, whatever their order."""
    folder = tmp_path_factory.mktemp("backups")
    return {method: take_backup(source, folder / method, method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_restored_is_what_was_there(backups: dict[str, Backup], method: str, tmp_path: Path) -> None:
    # of the shared one another test may have noted already that it was restored
    unnoted = shutil.ignore_patterns("restored.json")
    backup = open_backup(shutil.copytree(backups[method].folder, tmp_path / method, ignore=unnoted))
    assert backup.manifest.method == method
    assert backup.manifest.facts.tables["public.part_of_may"].rows == 30
    assert open_backup(backup.folder).restored is None
    restoration = restore(backup)
    assert [str(one) for one in restoration.differences] == []
    assert restoration.rows == backup.manifest.facts.rows > 40
    assert open_backup(backup.folder).restored == restoration


CHANGES = [
    ("DROP TABLE other.twins", "table other.twins: missing, with 0 rows"),
    ("DELETE FROM twins WHERE word = 'later'", "table public.twins: 4 rows where there were 5"),
    # one of two equal rows, in place of which there is another: the number of rows says nothing
    ("DELETE FROM twins WHERE ctid = '(0,1)'; INSERT INTO twins VALUES ('')", "table public.twins: 5 rows, but with"),
    ("UPDATE twins SET word = '' WHERE word IS NULL", "table public.twins: 5 rows, but with other contents"),
    ("UPDATE odd SET number = '0' WHERE number = 0", "table public.odd: 3 rows, but with other contents"),
    ("UPDATE odd SET number = 0.10000000000000002 WHERE number = 0.1", "table public.odd: 3 rows, but with"),
    ("UPDATE odd SET at = at + '1 microsecond'", "table public.odd: 3 rows, but with other contents"),
    ("UPDATE odd SET plain = plain::jsonb::json", "table public.odd: 3 rows, but with other contents"),
    ("UPDATE odd SET raw = '\\xdeadbeef' WHERE length(raw) = 5", "table public.odd: 3 rows, but with other contents"),
    ("UPDATE parts SET id = 0 WHERE id = 20", "table public.part_of_may: 30 rows, but with other contents"),
    ('UPDATE "Odd Name" SET "percent%s" = \'\' WHERE "Where" = 2', "table public.Odd Name: 2 rows, but with other"),
    (
        "SELECT lo_put(loid, 9, 'x') FROM pg_largeobject WHERE pageno = 0",
        "table pg_catalog.pg_largeobject: 3 rows, but",
    ),
    ("SELECT lo_unlink(oid) FROM pg_largeobject_metadata", "table pg_catalog.pg_largeobject: missing, with 3 rows"),
    ("DROP INDEX odd_words", "index public.odd_words: missing"),
    ("ALTER TABLE odd DROP CONSTRAINT odd_name_check", "constraint odd_name_check of public.odd: missing"),
    ("DROP EXTENSION pg_trgm", "extension pg_trgm: missing"),
    ("DROP VIEW well", "view public.well: missing"),
    ("DROP TRIGGER touched ON twins", "trigger touched of public.twins: missing"),
    ("DROP SEQUENCE untouched", "sequence public.untouched: missing; it stood at 7, not given out yet"),
    ("CREATE TABLE stranger ()", "table public.stranger: was not there"),
    ("ALTER TABLE odd ALTER COLUMN span DROP NOT NULL", None),
    ("UPDATE twins SET word = word", None),
]
SEQUENCES = [
    ("numbers", "SELECT setval('numbers', 5)", "sequence public.numbers: stands at 5, behind 10"),
    (
        "numbers",
        "SELECT setval('numbers', 10, false)",
        "sequence public.numbers: stands at 10, not given out yet, behind",
    ),
    ("numbers", "SELECT setval('numbers', 15)", None),
    ("down", "SELECT setval('down', 100, false)", "sequence public.down: stands at 100, not given out yet, behind"),
    ("down", "SELECT setval('down', 99)", None),
    ("round", "SELECT setval('round', 1, false)", None),
]


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_as_it_was_is_named(backups: dict[str, Backup], method: str) -> None:
    backup = backups[method]
    with restored(backup) as server, server.connect() as connection:
        for statement, said in CHANGES:
            connection.execute("BEGIN")
            connection.execute(statement)
            found = [str(one) for one in find_differences(backup, read_facts(connection))]
            connection.execute("ROLLBACK")
            assert found == [] if said is None else any(one.startswith(said) for one in found), (statement, found)
        before = read_facts(connection)
        for name, statement, said in SEQUENCES:
            connection.execute(statement)
            found = [str(one) for one in compare(before, read_facts(connection), exact=True)]
            sequence = before.sequences[f"public.{name}"]
            connection.execute("SELECT setval(%s, %s, %s)", (name, sequence.value, sequence.called))
            assert found == [] if said is None else (len(found) == 1 and found[0].startswith(said)), (statement, found)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_that_was_acknowledged_before_its_end_is_lost(source: Source, tmp_path: Path, method: str) -> None:
    with writing(source) as writes:
        assert eventually(lambda: len(writes.acknowledged) > 20)
        backup = take_backup(source, tmp_path / "backup", method)
        seen = len(writes.acknowledged)
        assert eventually(lambda: len(writes.acknowledged) > seen + 20)
    with restored(backup) as server, server.connect() as connection:
        assert check_restored(backup, server).differences == ()
        counted = writes.count(backup, connection)
        # a row that is taken away is missed
        connection.execute("DELETE FROM harness_backup.acknowledged WHERE number = 3")
        assert writes.count(backup, connection).lost == counted.lost + 1
    assert (counted.lost, counted.before_end > 20, counted.after_end >= 20) == (0, True, True)
    with source.connect() as connection:
        assert connection.execute("SELECT to_regnamespace('harness_backup')").fetchone() == (None,)


def test_where_nothing_was_acknowledged_nothing_is_known(source: Source, backups: dict[str, Backup]) -> None:
    with writing(source) as writes:
        assert eventually(lambda: writes.acknowledged)
        with source.connect() as connection, pytest.raises(StackError, match="no row was acknowledged before"):
            writes.count(backups["base"], connection)
        with pytest.raises(StackError, match="somebody else writes rows"), writing(source):
            pass


def test_a_transaction_that_does_not_end_is_named_and_nothing_is_left(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.backup.take._LOCK_TRIES_S", 0.5)
    with source.connect() as writer:
        writer.execute("BEGIN; INSERT INTO twins VALUES ('held')")
        with pytest.raises(StackError, match="no moment in which nobody wrote"):
            take_backup(source, tmp_path / "backup")
        # psycopg commits what is open at the end of a block
        writer.execute("ROLLBACK")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_waits_for_us_goes_on(source: Source, tmp_path: Path) -> None:
    """It holds one table and wants another, in the order in which we have them the other way round."""
    failed: list[Exception] = []
    over = threading.Event()

    def write() -> None:
        with source.connect() as connection:
            while not over.is_set():
                try:
                    connection.execute("BEGIN; INSERT INTO twins VALUES ('x'); SELECT pg_sleep(0.02)")
                    connection.execute("INSERT INTO other.twins VALUES (NULL); ROLLBACK")
                except Exception as error:  # noqa: BLE001 - any of them is the finding
                    failed.append(error)
                    return

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        backup = take_backup(source, tmp_path / "backup")
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert failed == []
    assert restore(backup).differences == ()


def test_the_rows_of_an_unlogged_table_are_missed(tmp_path: Path) -> None:
    with stack_with(tmp_path / "service", statements="CREATE UNLOGGED TABLE t AS SELECT 1 AS n") as info:
        base = take_backup(source_of(info), tmp_path / "base")
        dump = take_backup(source_of(info), tmp_path / "dump", "dump")
    assert base.manifest.facts.unlogged == {"public.t": 1}
    assert [str(one) for one in restore(base).differences] == [
        "table public.t: is UNLOGGED: its 1 rows are in no base backup, and do not outlive a crash"
    ]
    assert restore(base, leave_out=("public.t",)).differences == ()
    assert restore(dump).differences == ()


def test_restored_data_is_kept_and_can_be_served(backups: dict[str, Backup], tmp_path: Path) -> None:
    kept = tmp_path / "new" / "kept"
    restore(backups["base"], kept)
    assert (kept / "PG_VERSION").is_file()
    assert not (kept / "recovery.signal").exists()
    assert not (kept / "postmaster.pid").exists()
    assert list(kept.parent.iterdir()) == [kept]
    with pytest.raises(UsageError, match="is there already"):
        restore(backups["base"], kept)


def test_data_that_differs_is_not_kept(backups: dict[str, Backup], tmp_path: Path) -> None:
    backup = backups["base"]
    tables = {**backup.manifest.facts.tables, "public.gone": backup.manifest.facts.tables["public.odd"]}
    expected = replace(backup.manifest, facts=replace(backup.manifest.facts, tables=tables))
    lost = Backup(_copy(backup, tmp_path), expected, backup.digest)
    restoration = restore(lost, tmp_path / "kept")
    assert [str(one) for one in restoration.differences] == ["table public.gone: missing, with 3 rows"]
    assert not (tmp_path / "kept").exists()


def test_a_log_that_ends_too_early_is_said(backups: dict[str, Backup], tmp_path: Path) -> None:
    """As if it had been taken so: no digest tells."""
    backup = Backup(_copy(backups["base"], tmp_path), backups["base"].manifest, backups["base"].digest)
    last = max(path for path in (backup.data / "pg_wal").iterdir() if len(path.name) == 24)
    last.unlink()
    with pytest.raises(
        UnrestorableError, match=r"cannot be restored: its server exited .* before configured recovery target"
    ):
        restore(backup, tmp_path / "kept")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup"]


def _copy(backup: Backup, folder: Path) -> Path:
    shutil.copytree(backup.folder, folder / "backup")
    return folder / "backup"


@pytest.mark.parametrize("room", ["looked at before", "gone meanwhile"])
def test_a_full_disk_is_said_and_leaves_everything_as_it_was(
    backups: dict[str, Backup], small_disk: Path, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    (small_disk / "mine").write_text("kept")
    if room == "gone meanwhile":
        monkeypatch.setattr(restoring, "_ROOM", 0.0)
    said = "MiB are needed" if room == "looked at before" else "No space left on device"
    with pytest.raises(StackError, match=said):
        restore(backups["base"], small_disk / "kept")
    assert [path.name for path in small_disk.iterdir()] == ["mine"]


def test_a_full_disk_while_it_is_taken_is_said(source: Source, small_disk: Path) -> None:
    with pytest.raises(StackError, match="No space left on device"):
        take_backup(source, small_disk / "backup")
    assert list(small_disk.iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from harness.backup import open_backup
from harness.backup import restoration as restoring
plain = restoring._bring_up
def told(place, backup):
    server = plain(place, backup)
    print(place.mark, place.supervision.pid, flush=True)
    time.sleep(600)
restoring._bring_up = told
restoring.restore(open_backup(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_long_path_has_no_room_for_a_socket(backups: dict[str, Backup], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "_LONGEST_SOCKET", 5)
    assert restore(backups["base"]).differences == ()


@pytest.mark.parametrize("killed", ["harness", "harness and supervisor"])
def test_a_harness_that_is_killed_leaves_nothing(backups: dict[str, Backup], tmp_path: Path, killed: str) -> None:
    words = [sys.executable, "-c", HOLD, str(backups["base"].folder), str(tmp_path / "kept")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        mark, supervisor = holder.stdout.readline().split()
        assert any("postgres" in command for command in marked_processes(mark))
        assert folders_of(mark)
        if killed != "harness":
            os.kill(int(supervisor), 9)
        holder.kill()
    if killed != "harness":
        # the next one clears up
        restore(backups["dump"])
    assert eventually(lambda: not marked_processes(mark))
    assert eventually(lambda: not folders_of(mark))
    assert eventually(lambda: not list(tmp_path.iterdir()))


HOLD_TAKE = """
import sys, time
from pathlib import Path
from harness.backup import Source, take_backup, take
def told(aside, manifest):
    print(aside, flush=True)
    time.sleep(600)
take.write_manifest = told
port, password, folder = sys.argv[1:]
take_backup(Source(host="127.0.0.1", port=int(port), password=password, database="app"), Path(folder))
"""


def test_a_harness_that_is_killed_leaves_no_half_of_a_backup(source: Source, tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLD_TAKE, str(source.port), source.password, str(tmp_path / "backup")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        aside = Path(holder.stdout.readline().strip())
        assert (aside / "data" / "PG_VERSION").is_file()
        assert not (tmp_path / "backup").exists()
        holder.kill()
    assert eventually(lambda: not list(tmp_path.iterdir()))


def test_a_server_that_lets_no_replication_in_is_dumped(tmp_path: Path) -> None:
    with stack_with(tmp_path / "service", statements="CREATE TABLE t AS SELECT 1 AS n") as info:
        source = source_of(info)
        with source.connect() as connection:
            (doors,) = connection.execute("SHOW hba_file").fetchone() or ("",)
            Path(doors).write_text("host all all 127.0.0.1/32 scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")
        assert eventually(lambda: _is_refused(source))
        backup = take_backup(source, tmp_path / "backup")
        with pytest.raises(UsageError, match=r"no base backup: no replication: .*no pg_hba.conf entry"):
            take_backup(source, tmp_path / "base", "base")
    assert backup.manifest.method == "dump"
    assert backup.manifest.why.startswith("no replication: ")
    assert restore(backup).differences == ()


def _is_refused(source: Source) -> bool:
    try:
        source.connect(replication="true").close()
    except StackError:
        return True
    return False


@pytest.mark.parametrize(
    ("lacking", "major", "said"),
    [
        (
            ("pg_receivewal", "pg_dump"),
            18,
            "no backup: this machine has no pg_receivewal, and for a dump it has no pg_dump",
        ),
        ((), 17, "no backup: the server is Postgres 18, and the programs here are 17"),
    ],
)
def test_what_is_missing_for_a_backup_is_named(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: tuple[str, ...], major: int, said: str
) -> None:
    class Fewer(Programs):
        def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in names if name in lacking)

    monkeypatch.setattr("harness.backup.take.find_programs", lambda: Fewer(find_programs().postgres, major))
    with pytest.raises(UsageError) as refused:
        take_backup(source, tmp_path / "backup")
    assert refused.value.message == said
    assert list(tmp_path.iterdir()) == []


def test_a_stack_that_is_not_ours_is_refused_with_what_is_missing() -> None:
    foreign = StackInfo(name="x", backend="attach", target="x", url="http://127.0.0.1:1", owned=False)
    with pytest.raises(UsageError, match="the address of its database is not known"):
        source_of(foreign)
    with pytest.raises(UsageError, match="a superuser of the database is needed"):
        source_of(replace(foreign, database_url="postgresql://app:x@127.0.0.1:1/app"))


def test_a_backup_goes_on_to_a_later_point(source: Source, tmp_path: Path) -> None:
    first = take_backup(source, tmp_path / "first")
    with writing(source) as writes:
        assert eventually(lambda: len(writes.acknowledged) > 20)
        # more than a segment of the log, and a switch between two of them
        run(source, "INSERT INTO twins SELECT repeat(md5(n::text), 40) FROM generate_series(1, 3000) n")
        run(source, "SELECT pg_switch_wal()")
        second = advance_backup(source, first, tmp_path / "second")
        third = advance_backup(source, second, tmp_path / "third")
    run(source, "DELETE FROM twins WHERE length(word) > 1000")
    assert first.manifest.point.at < second.manifest.point.at < third.manifest.point.at
    for backup in (first, second, third):
        assert find_flaws(backup.folder, Expected(), now()) == ()
        with restored(backup) as server, server.connect() as connection:
            assert check_restored(backup, server).differences == ()
            if backup is not first:
                counted = writes.count(backup, connection)
                assert (counted.lost, counted.before_end > 20) == (0, True)
    # a file that is damaged in the first is not made sound by what was made of it
    (first.data / "PG_VERSION").unlink()
    fourth = advance_backup(source, first, tmp_path / "fourth")
    assert [flaw.path for flaw in find_flaws(fourth.folder, Expected(), now())] == ["data/PG_VERSION"]


def test_a_backup_goes_on_with_its_own_server_alone(backups: dict[str, Backup], source: Source, tmp_path: Path) -> None:
    other = replace(source, stack="another")
    for backup, server in ((backups["dump"], source), (backups["base"], other)):
        with pytest.raises(UsageError, match="is no base backup of this server"):
            advance_backup(server, backup, tmp_path / "next")
    assert list(tmp_path.iterdir()) == []


def test_statements_of_the_service_are_in_the_backup(source: Source, tmp_path: Path) -> None:
    """What is written between two backups is in the second alone."""
    first = take_backup(source, tmp_path / "first")
    run(source, "INSERT INTO twins VALUES ('between'); SELECT nextval('numbers')")
    second = take_backup(source, tmp_path / "second")
    run(source, "DELETE FROM twins WHERE word = 'between'")
    with restored(second) as server:
        assert [one.name for one in find_differences(first, server.facts())] == ["public.twins"]
        assert [one.name for one in compare(server.facts(), first.manifest.facts, exact=True)] == [
            "public.twins",
            "public.numbers",
        ]
