"""Which suites and checks exist, read from the sources without running them.

A policy is checked against this before anything starts, so that a criterion which could never select a line is a
usage error and not a silent pass (k6#1346).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, UsageError

_WRITERS = {"measure", "Observation"}
_TURNS = ("alone", "beside")


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of tests. `turns` says which kinds of tests it holds: "shared", "alone", "beside"."""

    name: str
    paths: tuple[Path, ...]
    checks: frozenset[str]
    turns: frozenset[str]
    promised: frozenset[str] = frozenset()
    """Of the checks, those that each run of the whole suite must leave a line of, if only a skip."""


def find_suites(root: Path, target: str, more: Iterable[Path] = ()) -> tuple[Suite, ...]:
    """Every suite below `root/suites`: its generic tests and those of this target; then the target's own folders.

    Raises `ConfigError` for a folder that is not there.
    """
    found: list[Suite] = []
    for folder in sorted((root / "suites").iterdir()):
        if not folder.is_dir() or folder.name.startswith(("_", ".")):
            continue
        own = folder / target
        paths = (folder, own) if own.is_dir() else (folder,)
        files = [*_test_files(folder, ""), *(_test_files(own) if own.is_dir() else ())]
        found.append(_read_suite(folder.name, files, paths))
    for folder in more:
        if not folder.is_dir():
            raise ConfigError("no folder there", path=folder, key="[suites] paths")
        found.append(_read_suite(folder.name, _test_files(folder), (folder,)))
    return tuple(suite for suite in found if suite.turns)


def choose(suites: tuple[Suite, ...], only: Iterable[str], without: Iterable[str]) -> tuple[Suite, ...]:
    """Narrow the suites. Raises `UsageError` for a name that is none, listing those that are."""
    only, without = tuple(only), tuple(without)
    names = {suite.name for suite in suites}
    for name in (*only, *without):
        if name not in names:
            raise UsageError(f"no suite {name!r}; suites: {', '.join(sorted(names))}")
    return tuple(suite for suite in suites if (not only or suite.name in only) and suite.name not in without)


def checks_in(file: Path, suite: str) -> frozenset[str]:
    """Ids of the checks that the tests of one file prove or measure; none if Python cannot parse it."""
    return _checks(_parse(file), suite)


def _checks(tree: ast.Module | None, suite: str) -> frozenset[str]:
    if tree is None:
        return frozenset()
    constants = _constants(tree)
    proven = {check for test in _tests(tree) for check in test.checks(suite, constants)}
    return frozenset(proven | set(_written(tree, constants)))


def _promised(tree: ast.Module | None, suite: str) -> frozenset[str]:
    if tree is None:
        return frozenset()
    constants = _constants(tree)
    return frozenset(check for test in _tests(tree) if (check := test.promise(suite, constants)))


def _read_suite(name: str, files: Iterable[Path], paths: tuple[Path, ...]) -> Suite:
    checks: set[str] = set()
    promised: set[str] = set()
    turns: set[str] = set()
    for file in files:
        tree = _parse(file)
        checks |= _checks(tree, name)
        promised |= _promised(tree, name)
        turns |= {"shared"} if tree is None else {test.turn for test in _tests(tree)}
    return Suite(
        name=name,
        paths=paths,
        checks=frozenset(checks),
        turns=frozenset(turns),
        promised=frozenset(promised),
    )


def _test_files(folder: Path, pattern: str = "**/") -> Iterator[Path]:
    """What pytest collects there by its names; `pattern` "" leaves out the folders below."""
    found = {file for name in ("test_*.py", "*_test.py") for file in folder.glob(pattern + name)}
    yield from sorted(found)


def _parse(file: Path) -> ast.Module | None:
    """None for a file that is no Python: its suite is run all the same, and shows it as a collection error."""
    try:
        return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Test:
    """A test function with its decorators and those of its classes and its module, nearest first."""

    name: str
    own: tuple[ast.expr, ...]
    inherited: tuple[ast.expr, ...]

    @property
    def turn(self) -> str:
        marks = {mark for decorator in (*self.own, *self.inherited) for mark in _mark(decorator)}
        return next((turn for turn in _TURNS if turn in marks), "shared")

    def checks(self, suite: str, constants: Mapping[str, str]) -> tuple[str, ...]:
        """As pytest finds the nearest marker: the function's, a parameter's, an outer one; else the test's own name."""
        direct = [id_ for decorator in self.own for id_ in _check_ids([decorator], constants)]
        if direct:
            return (direct[0],)
        nested = _check_ids((node for decorator in self.own for node in ast.walk(decorator)), constants)
        outer = [*_check_ids(self.inherited, constants), f"{suite}.{self.name.removeprefix('test_')}"]
        return (*nested, outer[0])

    def promise(self, suite: str, constants: Mapping[str, str]) -> str:
        """The check that the test proves whatever its parameters are; "" where the source alone does not tell."""
        if marks := _check_marks(self.own):
            ids = _check_ids(marks[:1], constants)
        elif _check_marks(node for decorator in self.own for node in ast.walk(decorator)):
            return ""
        elif marks := _check_marks(self.inherited):
            ids = _check_ids(marks[:1], constants)
        else:
            ids = (f"{suite}.{self.name.removeprefix('test_')}",)
        return ids[0] if ids and "*" not in ids[0] else ""


def _tests(tree: ast.Module | ast.ClassDef, inherited: tuple[ast.expr, ...] = ()) -> Iterator[_Test]:
    """Tests as pytest finds them: functions of the module and methods of `Test…` classes, none inside a function."""
    inherited = (*_pytestmark(tree), *inherited)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield _Test(node.name, tuple(reversed(node.decorator_list)), inherited)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests(node, (*reversed(node.decorator_list), *inherited))


def _pytestmark(tree: ast.Module | ast.ClassDef) -> list[ast.expr]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            return list(node.value.elts) if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return []


def _mark(node: ast.AST) -> tuple[str, ...]:
    """The name in `pytest.mark.NAME` or `mark.NAME`, called or not; empty for any other expression."""
    function = node.func if isinstance(node, ast.Call) else node
    if not isinstance(function, ast.Attribute):
        return ()
    owner = function.value
    owner_name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return (function.attr,) if owner_name == "mark" else ()


def _check_marks(nodes: Iterable[ast.AST]) -> list[ast.Call]:
    return [node for node in nodes if isinstance(node, ast.Call) and _mark(node) == ("check",) and node.args]


def _check_ids(nodes: Iterable[ast.AST], constants: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(text for call in _check_marks(nodes) if (text := _text(call.args[0], constants)))


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that the module gives a name."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def _written(tree: ast.Module, constants: Mapping[str, str]) -> Iterator[str]:
    """Check ids in calls of `measure("…")` and `Observation(check="…")`; a computed part becomes `*`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in _WRITERS:
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg == "check"] or node.args[:1]
        text = _text(given[0], constants) if given else None
        if text:
            yield text


def _text(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return None
