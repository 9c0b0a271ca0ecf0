"""The digest of what prepared data depends on: it changes with each source, and with nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Service, Target
from harness.stack.servers.fingerprint_sources import Sources

SERVICE = Service(
    command=("python", "serve.py"),
    needs=("postgres",),
    prepare_cached=(("python", "migrate.py"),),
    env={"DATABASE_URL": "{database_url}", "COUNTRY": "nl"},
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sources with a migration, a link, a program, and what is no source."""
    top = tmp_path / "sources"
    (top / "migrations").mkdir(parents=True)
    (top / "migrations" / "0001.sql").write_text("CREATE TABLE things ()")
    (top / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "text.sql").write_text("SELECT 1")
    (top / "shared").symlink_to(tmp_path / "shared")
    (top / "__pycache__").mkdir()
    (top / "__pycache__" / "migrate.pyc").touch()
    packages = top / ".venv" / "lib" / "python3.11" / "site-packages"
    (packages / "thing-1.dist-info").mkdir(parents=True)
    (top / ".venv" / "pyvenv.cfg").touch()
    (packages / "thing.py").touch()
    (top / "node_modules").mkdir()
    (top / "node_modules" / ".package-lock.json").write_text("{}")
    return top


def sources(folder: Path, service: Service = SERVICE, **overrides: str) -> Sources:
    return Sources(Target(name="t", source="", service=replace(service, cwd=str(folder))), overrides)


SEEN: dict[str, Callable[[Path], object]] = {
    "content": lambda top: (top / "migrations" / "0001.sql").write_text("CREATE TABLE thingS ()"),
    "a new file": lambda top: (top / "migrations" / "0002.sql").touch(),
    "a removed file": lambda top: (top / "migrations" / "0001.sql").unlink(),
    "a renamed file": lambda top: (top / "migrations" / "0001.sql").rename(top / "migrations" / "0003.sql"),
    "a file moved": lambda top: (top / "migrations" / "0001.sql").rename(top / "0001.sql"),
    "may be executed": lambda top: (top / "run.sh").chmod(0o755),
    "behind a link": lambda top: (top / "shared" / "text.sql").write_text("SELECT 2"),
    "a link to nothing": lambda top: (top / "gone.sql").symlink_to("nowhere"),
    "a package": lambda top: (top / ".venv/lib/python3.11/site-packages/other-2.dist-info").mkdir(),
    "a package of Node's": lambda top: (top / "node_modules" / ".package-lock.json").write_text("{1}"),
}
UNSEEN: dict[str, Callable[[Path], object]] = {
    "compiled": lambda top: (top / "__pycache__" / "other.pyc").touch(),
    "a time": lambda top: os.utime(top / "migrations" / "0001.sql", (1, 1)),
    "a file of a package": lambda top: (top / ".venv/lib/python3.11/site-packages/thing.py").write_text("x"),
    "a file of Node's": lambda top: (top / "node_modules" / "thing.js").touch(),
    "a loop of links": lambda top: (top / "shared" / "again").symlink_to(top.parent / "shared"),
}


@pytest.mark.parametrize("change", SEEN.values(), ids=SEEN)
def test_a_change_of_the_sources_is_seen(folder: Path, change: Callable[[Path], object]) -> None:
    before = sources(folder).digest()
    change(folder)
    assert sources(folder).digest() != before


@pytest.mark.parametrize("change", UNSEEN.values(), ids=UNSEEN)
def test_what_is_no_source_is_not_seen(folder: Path, change: Callable[[Path], object]) -> None:
    before = sources(folder).digest()
    change(folder)
    assert sources(folder).digest() == before


@pytest.mark.parametrize(
    "service",
    [
        replace(SERVICE, prepare_cached=(("python", "migrate.py", "--all"),)),
        replace(SERVICE, prepare_cached=(("python", "migrate.py"), ("python", "seed.py"))),
        replace(SERVICE, env={**SERVICE.env, "COUNTRY": "be"}),
        replace(SERVICE, env={**SERVICE.env, "MORE": ""}),
    ],
)
def test_commands_and_settings_are_seen(folder: Path, service: Service) -> None:
    assert sources(folder, service).digest() != sources(folder).digest()


def test_what_prepares_nothing_is_not_seen(folder: Path) -> None:
    other = replace(SERVICE, command=("python", "other.py"), prepare=(("login",),), timeout_s=1.0)
    assert sources(folder, other).digest() == sources(folder).digest()


def test_another_program_behind_the_same_word_is_seen(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = replace(SERVICE, prepare_cached=(("fill-it",),))
    found = []
    for number in range(2):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "fill-it").write_text(f"#!/bin/sh\necho {number}\n")
        (place / "fill-it").chmod(0o755)
        monkeypatch.setenv("PATH", str(place))
        found.append(sources(folder, service).digest())
    assert found[0] != found[1]


def test_a_copy_of_the_sources_is_the_same(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    assert sources(tmp_path / "copy").digest() == sources(folder).digest()


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.text(max_size=3), max_size=3))
def test_overrides_count_in_any_order(tmp_path_factory: pytest.TempPathFactory, overrides: dict[str, str]) -> None:
    top = tmp_path_factory.mktemp("sources")
    turned = dict(reversed(overrides.items()))
    assert sources(top, **overrides).digest() == sources(top, **turned).digest()
    assert sources(top, **{**overrides, "ZZZZ": "1"}).digest() != sources(top, **overrides).digest()


def test_what_lies_in_the_stacks_own_database_is_kept(folder: Path) -> None:
    assert sources(folder).may_keep
    assert sources(folder, COUNTRY="be").may_keep


@pytest.mark.parametrize(
    ("service", "overrides"),
    [
        (SERVICE, {"DATABASE_URL": "postgresql://elsewhere/app"}),
        (replace(SERVICE, prepare_cached=()), {}),
        (replace(SERVICE, needs=()), {}),
    ],
    ids=["another database", "nothing to keep", "no database"],
)
def test_what_lies_elsewhere_is_not_kept(folder: Path, service: Service, overrides: dict[str, str]) -> None:
    assert not sources(folder, service, **overrides).may_keep
