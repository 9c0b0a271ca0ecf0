"""Numbers of migrations, from their files alone: no database is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import Outcome, PreflightRules, Service, StackInfo, Target
from harness.preflight import ReadinessFinding, Scene
from harness.preflight.checks.migrations import check_migration_files


def asked(cwd: Path, *files: str, folder: str = "migrations", owned: bool = True) -> ReadinessFinding:
    (cwd / "migrations").mkdir()
    for file in files:
        (cwd / "migrations" / file).touch()
    service = Service(command=("x",), cwd=str(cwd))
    target = Target(name="t", source="", service=service, preflight=PreflightRules(migrations=folder))
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=owned)
    return check_migration_files(Scene(target=target, info=info))


def test_each_has_a_number_of_its_own(tmp_path: Path) -> None:
    found = asked(tmp_path, "0001_a.sql", "0001_a.rollback.sql", "0002_b.sql", "0010_b.up.sql", "0010_b.down.sql")
    assert found.message == "3 migrations, each with a number of its own"


@pytest.mark.parametrize("other", ["0002_other.sql", "2_other.sql", "V2.other.sql", "0002.sql"])
def test_two_with_one_number_are_named(tmp_path: Path, other: str) -> None:
    found = asked(tmp_path, "0001_a.sql", "0002_b.sql", other)
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith("migrations share a number: number 2: ")
    assert {"0002_b.sql", other} == set(found.detail["twice"]["2"])


@pytest.mark.parametrize(("folder", "said"), [("nowhere", "there is no folder"), ("migrations", "holds no NUMBER")])
def test_a_folder_without_migrations_is_a_finding(tmp_path: Path, folder: str, said: str) -> None:
    found = asked(tmp_path, "init.sql", folder=folder)
    assert found.outcome is Outcome.FAIL
    assert said in found.message


def test_nothing_is_asked_where_there_are_none_or_they_are_not_here(tmp_path: Path) -> None:
    assert asked(tmp_path, folder="").detail["counts"] is False
    (tmp_path / "migrations").rmdir()
    assert asked(tmp_path, owned=False).detail["counts"] is True
