"""Reads which checks a test file has from its source, without running it.

pytest's own collection could tell the same of most files, and is not asked. It runs a suite's hooks, which may leave
out the very tests that a gate has to miss; it knows no check of a file that fails at its imports or skips itself, and
none that a test writes by `measure`; and for our own suites it takes 1.3 s, where reading takes 0.05 s.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.model import Measurement
from harness.runner.turns import SHARED, turn_of

_WRITERS = {"measure", "Observation"}


@dataclass(frozen=True, slots=True)
class DeclaredTests:
    """What a source says of its tests; of a file that is no Python, that it is to be run, so that it shows."""

    checks: frozenset[str] = frozenset()
    """Ids of the checks that they prove or measure; a computed part is `*`."""
    promised: frozenset[str] = frozenset()
    """Of these, what they prove whatever their parameters are."""
    turns: frozenset[str] = frozenset({SHARED})
    """Which kinds of tests there are: "shared", "alone", "beside"."""
    measurements: frozenset[Measurement] = frozenset()


def check_of(suite: str, test: str) -> str:
    """The id of the check that a test proves which names none."""
    return f"{suite}.{test.removeprefix('test_')}"


def read_tests(file: Path, suite: str) -> DeclaredTests:
    """What one file of tests declares."""
    tree = parse(file)
    if tree is None:
        return DeclaredTests()
    constants = _constants(tree)
    tests = tuple(_tests(tree))
    proven = [test.proves(suite, constants) for test in tests]
    return DeclaredTests(
        checks=frozenset(written(tree)).union(*(checks for checks, _ in proven)),
        promised=frozenset(promised for _, promised in proven if promised is not None),
        turns=frozenset(test.turn for test in tests),
        measurements=frozenset(_measurements(tree)),
    )


def parse(file: Path) -> ast.Module | None:
    """The file's syntax; None for one that is no Python."""
    try:
        return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, ValueError):
        return None


def written(tree: ast.Module) -> Iterator[str]:
    """Check ids in calls of `measure("…")` and `Observation(check="…")`."""
    constants = _constants(tree)
    for _, check, _ in _writing_calls(tree):
        if text := _text(check, constants):
            yield text


def _measurements(tree: ast.Module) -> Iterator[Measurement]:
    """What calls of `measure("…", …)` write, and that an `Observation` may say anything."""
    constants = _constants(tree)
    for name, check, given in _writing_calls(tree):
        said = [given.get(word) if name == "measure" else None for word in ("statistic", "unit")]
        words = [_text(one, constants) if one is not None else None for one in (check, *said)]
        yield Measurement(*(word if word is not None else "*" for word in words))


def _writing_calls(tree: ast.Module) -> Iterator[tuple[str, ast.expr, dict[str | None, ast.expr]]]:
    """Calls that write a line: of what, with which check, and all that they are given by name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        check = given.get("check", node.args[0] if node.args else None)
        if name in _WRITERS and check is not None:
            yield name, check, given


@dataclass(frozen=True, slots=True)
class _Test:
    """A test function with its decorators and those of its classes and its module, nearest first."""

    name: str
    own: tuple[ast.expr, ...]
    inherited: tuple[ast.expr, ...]

    @property
    def turn(self) -> str:
        return turn_of({_mark(decorator) or "" for decorator in (*self.own, *self.inherited)})

    def proves(self, suite: str, constants: Mapping[str, str]) -> tuple[frozenset[str], str | None]:
        """All checks that it may prove, and the one that it proves in any case, as far as the source tells.

        As pytest finds the nearest marker: the function's, a parameter's, an outer one; else the test's own name.
        """
        by_name = check_of(suite, self.name)
        own = _check_ids(self.own, constants)
        of_parameters = [] if own else _check_ids((node for one in self.own for node in ast.walk(one)), constants)
        nearest = [*own, *_check_ids(self.inherited, constants), by_name][0]
        checks = frozenset(filter(None, (*of_parameters, nearest or by_name)))
        return checks, nearest if nearest and "*" not in nearest and not of_parameters else None


def _tests(tree: ast.Module | ast.ClassDef, inherited: tuple[ast.expr, ...] = ()) -> Iterator[_Test]:
    """Tests as pytest finds them: functions of the module and methods of `Test…` classes, none inside a function."""
    inherited = (*_pytestmark(tree), *inherited)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            yield _Test(node.name, tuple(reversed(node.decorator_list)), inherited)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests(node, (*reversed(node.decorator_list), *inherited))


def _assigned(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))


def _pytestmark(tree: ast.Module | ast.ClassDef) -> tuple[ast.expr, ...]:
    marks = next((value for name, value in _assigned(tree) if name == "pytestmark"), ast.Tuple(elts=[]))
    return tuple(marks.elts) if isinstance(marks, ast.List | ast.Tuple) else (marks,)


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that the module gives a name."""
    values = {name: value.value for name, value in _assigned(tree) if isinstance(value, ast.Constant)}
    return {name: value for name, value in values.items() if isinstance(value, str)}


def _mark(node: ast.AST) -> str | None:
    """The name in `pytest.mark.NAME` or `mark.NAME`, called or not; None for any other expression."""
    function = node.func if isinstance(node, ast.Call) else node
    if not isinstance(function, ast.Attribute):
        return None
    owner = function.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return function.attr if name == "mark" else None


def _check_ids(nodes: Iterable[ast.AST], constants: Mapping[str, str]) -> list[str | None]:
    """The ids in markers `check`; None for one that is computed."""
    marks = [node for node in nodes if isinstance(node, ast.Call) and _mark(node) == "check" and node.args]
    return [_text(mark.args[0], constants) for mark in marks]


def _text(node: ast.expr, constants: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return None
