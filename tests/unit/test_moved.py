"""Old names of modules: each leads to a module that is there, says so once, and stands in nobody's way."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from harness.moved import MOVED, RENAMED, ModuleMoved, OldNames
from tests.pages import ROOT

pytestmark = pytest.mark.usefixtures("unknown")


@pytest.fixture
def unknown(monkeypatch):
    """The old names, not imported yet."""
    for name in MOVED:
        monkeypatch.delitem(sys.modules, name, raising=False)


def imported(name: str) -> tuple[object, list[warnings.WarningMessage]]:
    """The module of that name, and what was said of it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        module = import_module(name)
    return module, told


@pytest.mark.parametrize("old", MOVED)
def test_an_old_name_leads_to_a_module_that_is_there(old):
    path = ROOT / old.replace(".", "/")
    assert not path.with_suffix(".py").exists()
    assert not (path / "__init__.py").exists()
    real = import_module(MOVED[old])
    names = [name for name in vars(real) if not name.startswith("__")]
    stands_for, told = imported(old)
    assert names
    assert all(getattr(stands_for, name) is getattr(real, name) for name in names)
    assert told[-1].category is ModuleMoved
    assert str(told[-1].message) == f"{old} is now {MOVED[old]}; suites import from harness.testing"
    assert imported(old)[1] == []


@pytest.mark.parametrize(("module", "old", "new"), [(m, old, new) for m in RENAMED for old, new in RENAMED[m].items()])
def test_a_name_that_is_another_now_is_found(module, old, new):
    assert getattr(imported(module)[0], old) is getattr(import_module(MOVED[module]), new)


def test_the_line_names_who_imports():
    with pytest.warns(ModuleMoved) as told:
        from harness.turns import Turns  # noqa: F401
    assert [Path(line.filename) for line in told] == [Path(__file__)]


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"harness\.nothing"):
        import_module("harness.nothing")
    with pytest.raises(AttributeError, match="nothing"):
        _ = imported("harness.places")[0].nothing


def test_only_the_table_of_names_is_loaded_where_nobody_uses_one():
    program = (
        "import sys, harness; print(type(sys.meta_path[-1]).__name__,"
        " *sorted(name for name in sys.modules if name.startswith('harness')))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [OldNames.__name__, "harness", "harness.moved"]
