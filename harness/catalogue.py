"""Which suites and checks exist, read from the sources without running them.

A policy is checked against this before anything starts, so that a criterion which could never select a line is a
usage error and not a silent pass (k6#1346).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
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


def find_suites(root: Path, target: str, more: Iterable[Path] = ()) -> tuple[Suite, ...]:
    """Every suite below `root/suites`: its generic tests and those of this target; then the target's own folders.

    Raises `ConfigError` for a folder that is not there and for a test file that Python cannot parse.
    """
    found: list[Suite] = []
    for folder in sorted((root / "suites").iterdir()):
        if not folder.is_dir() or folder.name.startswith(("_", ".")):
            continue
        own = folder / target
        paths = (folder, own) if own.is_dir() else (folder,)
        found.append(_read_suite(folder.name, paths))
    for folder in more:
        if not folder.is_dir():
            raise ConfigError("no folder there", path=folder, key="[suites] paths")
        found.append(_read_suite(folder.name, (folder,)))
    return tuple(suite for suite in found if suite.turns)


def choose(suites: tuple[Suite, ...], only: Iterable[str], without: Iterable[str]) -> tuple[Suite, ...]:
    """Narrow the suites. Raises `UsageError` for a name that is none, listing those that are."""
    only, without = tuple(only), tuple(without)
    names = {suite.name for suite in suites}
    for name in (*only, *without):
        if name not in names:
            raise UsageError(f"no suite {name!r}; suites: {', '.join(sorted(names))}")
    return tuple(suite for suite in suites if (not only or suite.name in only) and suite.name not in without)


def _read_suite(name: str, paths: tuple[Path, ...]) -> Suite:
    checks: set[str] = set()
    turns: set[str] = set()
    for file in _test_files(paths):
        tree = _parse(file)
        inherited = _marks(_module_marks(tree))
        for function in _tests(tree):
            marks = inherited | _marks(function.decorator_list)
            turns.add(next((turn for turn in _TURNS if turn in marks), "shared"))
            checks.add(_check_of(function.decorator_list) or f"{name}.{function.name.removeprefix('test_')}")
        checks |= set(_written(tree))
    return Suite(name=name, paths=paths, checks=frozenset(checks), turns=frozenset(turns))


def _test_files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("test_*.py"))


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, UnicodeDecodeError):
        # the suite's own run will show it as a collection error, with the place
        return ast.Module(body=[], type_ignores=[])


def _tests(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _module_marks(tree: ast.Module) -> list[ast.expr]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            return list(node.value.elts) if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return []


def _marks(decorators: Iterable[ast.expr]) -> set[str]:
    names: set[str] = set()
    for decorator in decorators:
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark":
            names.add(node.attr)
    return names


def _check_of(decorators: Iterable[ast.expr]) -> str | None:
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and "check" in _marks([decorator]) and decorator.args:
            return _text(decorator.args[0])
    return None


def _written(tree: ast.AST) -> Iterator[str]:
    """Check ids in calls of `measure("…")` and `Observation(check="…")`; a computed part becomes `*`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in _WRITERS:
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg == "check"] or node.args[:1]
        text = _text(given[0]) if given else None
        if text:
            yield text


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return None


def written_checks(folder: Path) -> frozenset[str]:
    """Check ids that a package of ours writes itself: preflight, load, the gate."""
    found: set[str] = set()
    for file in sorted(folder.rglob("*.py")) if folder.is_dir() else (folder,):
        found |= set(_written(_parse(file)))
    return frozenset(found)
