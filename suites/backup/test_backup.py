"""Backups of the target's database that were really restored: a base backup with the log, and a dump.

Each is taken of a stack of this module's own while rows are written, restored into a fresh server, and compared there.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import pytest

from harness.testing.backup import (
    Acknowledged,
    Backup,
    Expected,
    Restoration,
    UnrestorableError,
    check_restored,
    find_flaws,
    find_programs,
    restored,
    source_of,
    take_backup,
    writing,
)

pytestmark = [pytest.mark.breaks, pytest.mark.rig(instances=1), pytest.mark.timeout(300)]

SHOWN = 5
LIMIT = timedelta(hours=24)


@dataclass(frozen=True)
class Restored:
    """What a fresh server held, and whether the comparison notices one row that is taken away there."""

    restoration: Restoration
    acknowledged: Acknowledged
    notices_a_row: bool


@dataclass
class Drill:
    """A backup that was taken while rows were written, and what became of it in a fresh server."""

    backup: Backup
    writes: object
    unlogged: tuple[str, ...]
    """Tables that may lose their rows, as the profile says."""

    @cached_property
    def restored(self) -> Restored:
        """What was restored of it; fails where no server can be made of it."""
        try:
            with restored(self.backup) as server, server.connect() as connection:
                restoration = check_restored(self.backup, server, self.unlogged)
                counted = self.writes.count(self.backup, connection)
                name = take_a_row_away(connection, self.backup)
                noticed = name in {one.name for one in check_restored(self.backup, server).differences}
                return Restored(restoration, counted, noticed)
        except UnrestorableError as error:
            pytest.fail(str(error))


@pytest.fixture(scope="module", params=["base", "dump"])
def drill(request, tmp_path_factory):
    """The backup, taken once; a skip where the target has no Postgres that we started."""
    target = request.getfixturevalue("target")
    if "postgres" not in target.service.needs:
        pytest.skip(f"not applicable: {target.absent.get('database', 'the service needs no postgres')}")
    rig = request.getfixturevalue("rig")
    source = source_of(rig.info)
    with writing(source) as writes:
        backup = take_backup(source, tmp_path_factory.mktemp("backup") / request.param, request.param)
    return Drill(backup, writes, target.backup.unlogged)


def exact(measure, check: str, value: float, unit: str, subject: str, n: int = 1, **detail: object) -> None:
    """A figure that was counted, or timed once."""
    measure(check, value, unit=unit, statistic="value", interval=(value, value), n=n, subject=subject, **detail)


@pytest.mark.check(
    "backup.restored",
    severity="critical",
    source="PostgreSQL 18, 25.3",
    why="A backup that was never restored is no backup: what it lacks is found on the day when it is needed.",
    remedy="Mend what the message names; name a table that is UNLOGGED on purpose in the profile's [backup] unlogged.",
)
def test_what_is_restored_is_what_was_there(drill, measure):
    manifest = drill.backup.manifest
    restoration = drill.restored.restoration
    for check, value, unit in (
        ("backup.take_seconds", manifest.seconds, "s"),
        ("backup.restore_seconds", restoration.seconds, "s"),
        ("backup.bytes", manifest.bytes, "B"),
        ("backup.locked", manifest.locked_ms, "ms"),
    ):
        exact(measure, check, value, unit, manifest.method, rows=manifest.facts.rows)
    lost = [str(one) for one in restoration.differences]
    more = f"; and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    kind = "base backup" if manifest.method == "base" else "dump"
    assert not lost, f"the restored {kind} is not what was there: {'; '.join(lost[:SHOWN])}{more}"
    assert restoration.rows, "the database has no row: a backup of nothing proves nothing"


@pytest.mark.check(
    "backup.acknowledged",
    severity="critical",
    source="NIST SP 800-34: recovery point objective",
    why="What the database has acknowledged before the backup's end counts as safe, and must be in it.",
    remedy="See that all tables are logged and that the backup has the log up to its end.",
)
def test_no_row_that_was_acknowledged_before_its_end_is_lost(drill, measure):
    counted = drill.restored.acknowledged
    method = drill.backup.manifest.method
    exact(measure, "backup.rpo", counted.lost, "rows", method, counted.before_end, after_end=counted.after_end)
    exact(measure, "backup.writer_waited", counted.longest_wait_ms, "ms", method, counted.before_end)
    lost, all_of_them = counted.lost, counted.before_end
    assert lost == 0, f"{lost} of {all_of_them} rows that were acknowledged before the backup's end are not in it"


@pytest.mark.check(
    "backup.damage_found",
    severity="high",
    source="one byte, one file, one segment of the log",
    why="A damaged backup that looks sound is found on the day when it is needed.",
    remedy="Keep the manifest with the backup, and run harness backup verify FOLDER wherever it is kept.",
)
def test_damage_is_found_before_it_is_needed(drill, measure):
    backup, manifest = drill.backup, drill.backup.manifest
    taken = datetime.fromisoformat(manifest.point.at)
    sound = Expected(
        system=manifest.server.system,
        database=manifest.database,
        major=find_programs().major,
        max_age_s=LIMIT.total_seconds(),
    )

    def said(expected: Expected = sound, moment: datetime | None = None) -> list[str]:
        return [flaw.path for flaw in find_flaws(backup.folder, expected, moment or datetime.now(UTC))]

    assert said() == [], f"the backup is refused as it was taken: {said()}"
    missed, tried = ([] if drill.restored.notices_a_row else ["a row that the restored server lacks"]), 1
    for name, path in damaged_places(backup):
        for damage in (one_byte, taken_away, cut):
            tried += 1
            with damage(path):
                if name not in said():
                    missed.append(f"{damage.__name__.replace('_', ' ')}: {name}")
    unfit = {
        "an old one": said(moment=taken + LIMIT + timedelta(seconds=1)),
        "one of another server": said(replace(sound, system="1")),
        "one of another database": said(replace(sound, database=f"{manifest.database}2")),
        "one of a newer server": said(replace(sound, major=manifest.server.major - 1)),
    }
    missed += [name for name, flaws in unfit.items() if not flaws]
    tried += len(unfit)
    exact(measure, "backup.damages", tried - len(missed), "found", manifest.method, tried)
    assert not missed, f"{len(missed)} of {tried} damages were not found: {'; '.join(missed[:SHOWN])}"


def take_a_row_away(connection, backup: Backup) -> str:
    """Delete a row of the largest table of a restored server, whatever refers to it; the table's name."""
    from psycopg import sql

    name, _ = max(backup.manifest.facts.tables.items(), key=lambda table: table[1].rows)
    table = sql.Identifier(*name.split(".", 1))
    connection.execute("SET session_replication_role = replica")
    connection.execute(sql.SQL("DELETE FROM {0} WHERE ctid = (SELECT ctid FROM {0} LIMIT 1)").format(table))
    return name


def damaged_places(backup: Backup):
    """The name and the path of the files that are damaged: the manifest, the largest, one of the log, one by chance."""
    files = [file for file in backup.manifest.files if file.bytes > 1]
    log = [file for file in files if file.path.startswith("pg_wal/")]
    chosen = {max(files, key=lambda file: file.bytes).path, random.choice(files).path}  # noqa: S311 - no secret
    chosen |= {log[-1].path} if log else set()
    yield "manifest.json", backup.folder / "manifest.json"
    for name in sorted(chosen):
        yield f"{backup.data.name}/{name}", backup.data / name


@contextmanager
def one_byte(path):
    """One byte in the middle of it is another one."""
    with path.open("r+b") as file:
        place = path.stat().st_size // 2
        file.seek(place)
        before = file.read(1)
        file.seek(place)
        file.write(bytes([before[0] ^ 0xFF]))
    yield
    with path.open("r+b") as file:
        file.seek(place)
        file.write(before)


@contextmanager
def taken_away(path):
    """It is not there."""
    content = path.read_bytes()
    path.unlink()
    yield
    path.write_bytes(content)


@contextmanager
def cut(path):
    """Its last byte is gone."""
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    yield
    path.write_bytes(content)
