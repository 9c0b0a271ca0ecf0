"""Which suites and checks exist, read from the sources without running them.

A policy is checked against this before anything starts, so that a criterion which could never select a line is a
usage error and not a silent pass (k6#1346).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ConfigError, UsageError
from harness.model import Measurement, Policy, Target
from harness.runner.sources import read_tests

_ON_REQUEST = frozenset({"backup", "rollback"})
"""Suites that a gate runs only where somebody asks for them."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of tests. `turns` says which kinds of tests it holds: "shared", "alone", "beside"."""

    name: str
    paths: tuple[Path, ...]
    checks: frozenset[str]
    turns: frozenset[str]
    promised: frozenset[str] = frozenset()
    """Of the checks, those that each run of the whole suite must leave a line of, if only a skip."""
    measurements: frozenset[Measurement] = frozenset()
    base: Path = Path()
    """The folder that ids of its tests are relative to, and below which all that pytest reads of it lies."""


def own_folders(target: Target) -> tuple[Path, ...]:
    """The target's own folders of suites, which its profile lists."""
    home = Path(target.source).parent if target.source else Path()
    return tuple((home / path).absolute() for path in target.suites.paths)


def find_suites(root: Path, target: str, more: Iterable[Path] = ()) -> tuple[Suite, ...]:
    """Every suite below `root/suites`: its generic tests and those of this target; then the target's own folders.

    Folders outside of `root` have a base of their own: pytest would name a file there by its folder's content alone,
    and run one of two with the same name (pytest-xdist#1212). Raises `ConfigError` for a folder that is not there, and
    for one without a file of tests.
    """
    more = tuple(dict.fromkeys(more))
    outside = _common_base([folder for folder in more if not folder.is_relative_to(root)])
    found = [
        _generic_suite(folder, target, root) for folder in sorted((root / "suites").iterdir()) if _is_suite(folder)
    ]
    found += [_listed_suite(folder, root if folder.is_relative_to(root) else outside) for folder in more]
    return tuple(suite for suite in found if suite.turns)


def _is_suite(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(("_", "."))


def _generic_suite(folder: Path, target: str, root: Path) -> Suite:
    own = folder / target
    paths = (folder, own) if own.is_dir() else (folder,)
    return _read_suite(folder.name, [*_test_files(folder, ""), *_test_files(own)], paths, root)


def _listed_suite(folder: Path, base: Path) -> Suite:
    if not folder.is_dir():
        raise ConfigError("no folder there", path=folder, key="[suites] paths")
    files = tuple(_test_files(folder))
    if not files:
        raise ConfigError("no test in there: pytest reads test_*.py and *_test.py", path=folder, key="[suites] paths")
    suite = _read_suite(folder.name, files, (folder,), base)
    # where the source shows none, pytest may find some, or says that there are none
    return suite if suite.turns else replace(suite, turns=frozenset({"shared"}))


def choose(suites: tuple[Suite, ...], only: Iterable[str], without: Iterable[str]) -> tuple[Suite, ...]:
    """Narrow the suites. Raises `UsageError` for a name that is none, listing those that are."""
    only, without = tuple(only), tuple(without)
    names = {suite.name for suite in suites}
    for name in (*only, *without):
        if name not in names:
            raise UsageError(f"no suite {name!r}; suites: {', '.join(sorted(names))}")
    return tuple(suite for suite in suites if (not only or suite.name in only) and suite.name not in without)


def suites_for(policy: Policy, suites: tuple[Suite, ...], only: Iterable[str] = ()) -> tuple[Suite, ...]:
    """Without those that take a minute, and that neither a criterion of the policy names nor somebody by hand."""
    asked = {criterion.select.suite for criterion in policy.criteria} | set(only)
    return tuple(suite for suite in suites if suite.name not in _ON_REQUEST or suite.name in asked)


def _common_base(folders: Sequence[Path]) -> Path:
    """The nearest folder above all of them, from which no id begins as those of our own suites do."""
    base = Path(os.path.commonpath([folder.parent for folder in folders])) if folders else Path()
    return base.parent if any(folder.relative_to(base).parts[:1] == ("suites",) for folder in folders) else base


def _read_suite(name: str, files: Iterable[Path], paths: tuple[Path, ...], base: Path) -> Suite:
    found = [read_tests(file, name) for file in files]
    return Suite(
        name=name,
        paths=paths,
        checks=frozenset().union(*(tests.checks for tests in found)),
        turns=frozenset().union(*(tests.turns for tests in found)),
        promised=frozenset().union(*(tests.promised for tests in found)),
        measurements=frozenset().union(*(tests.measurements for tests in found)),
        base=base,
    )


def _test_files(folder: Path, pattern: str = "**/") -> Iterator[Path]:
    """What pytest collects there by its names; `pattern` "" leaves out the folders below."""
    found = {file for name in ("test_*.py", "*_test.py") for file in folder.glob(pattern + name)}
    yield from sorted(found)
