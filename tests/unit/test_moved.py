"""Former names: each leads to what is there, says so once, and stands in nobody's way."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pytest

from harness import moved
from harness.config import load_target
from harness.model import Pages, StackInfo, Target
from harness.moved import FORMER_MODULES, FORMER_NAMES, TARGET_MEMBERS, FormerName, FormerNames
from tests.pages import ROOT

NAMES = [(module, former, now) for module, names in FORMER_NAMES.items() for former, now in names.items()]


@pytest.fixture(autouse=True)
def untold(monkeypatch):
    """Nobody has said a former name yet."""
    monkeypatch.setattr(moved, "_told", set())
    for name in FORMER_MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture(scope="module")
def target():
    return load_target("dealradar", ROOT)


def told_by(act) -> tuple[object, list[str]]:
    """What it returns, and what was said of names."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = act()
    return found, [str(one.message) for one in told if one.category is FormerName]


@pytest.mark.parametrize("former", FORMER_MODULES)
def test_a_former_module_leads_to_one_that_is_there(former):
    path, now = ROOT / former.replace(".", "/"), FORMER_MODULES[former]
    assert not path.with_suffix(".py").exists()
    assert not (path / "__init__.py").exists()
    real = import_module(now)
    names = [name for name in vars(real) if not name.startswith("__") and name not in FORMER_NAMES.get(former, {})]
    stands_for, told = told_by(lambda: import_module(former))
    assert names
    assert all(getattr(stands_for, name) is getattr(real, name) for name in names)
    assert told[-1] == f"{former} is now {now}; suites import from harness.testing"
    del sys.modules[former]
    assert told_by(lambda: import_module(former))[1] == []


@pytest.mark.parametrize(("module", "former", "now"), NAMES)
def test_a_former_name_in_a_module_leads_to_one_that_is_there(module, former, now):
    inside, _ = told_by(lambda: import_module(module))
    where, _, name = now.rpartition(".")
    found, told = told_by(lambda: getattr(inside, former))
    assert told == [f"{module}.{former} is now {now}"]
    assert found is getattr(import_module(where), name) or former == "allowed"
    assert told_by(lambda: getattr(inside, former)) == (found, [])


@pytest.mark.parametrize("module", [name for name in FORMER_NAMES if name not in FORMER_MODULES])
def test_a_module_that_answers_to_former_names_is_loaded_as_any_other(module):
    real = import_module(module)
    assert real.__loader__ is real.__spec__.loader
    assert not isinstance(real.__loader__, moved._Answering)
    assert inspect.getsource(real)
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nothing'"):
        _ = real.nothing


@pytest.mark.parametrize("member", [name for name in TARGET_MEMBERS if name not in ("pages", "openapi")])
def test_a_former_member_of_a_target_is_found(member, target):
    outer, _, inner = member.partition(".")
    found, told = told_by(lambda: getattr(target, outer))
    for name in TARGET_MEMBERS[member].split("."):
        target = getattr(target, name)
    assert (getattr(found, inner) if inner else found) == target
    assert len(told) == 1
    assert f"target.{TARGET_MEMBERS[member]}" in told[0].removeprefix(f"target.{outer} is now ").split(", ")


def test_a_member_whose_name_means_a_table_now_is_the_table(target):
    assert isinstance(target.pages, Pages)
    with pytest.raises(AttributeError, match="'Target' object has no attribute 'cors_origin'"):
        _ = target.cors_origin
    with pytest.raises(AttributeError, match="'Target' object has no attribute 'pages'"):
        _ = Target.__new__(Target).pages


@pytest.mark.parametrize("active", [False, True])
def test_what_was_allowed_gives_the_refusal_as_it_did(active, target):
    info = StackInfo(name="n", backend="attach", target="t", url="http://127.0.0.1:1", owned=False)
    allowed, _ = told_by(lambda: import_module("harness.stack").allowed)
    assert allowed("read", info, target, active) is None
    refusal = allowed("write", info, target, active)
    assert refusal is None if active else "tests that write would run against 127.0.0.1" in refusal


def test_the_line_names_who_imports():
    with pytest.warns(FormerName) as told:
        from harness.turns import Turns  # noqa: F401
    assert [Path(line.filename) for line in told] == [Path(__file__)] * 2


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError, match=r"harness\.nothing"):
        import_module("harness.nothing")
    with pytest.raises(AttributeError, match="nothing"):
        _ = told_by(lambda: import_module("harness.places"))[0].nothing


def test_only_the_table_of_names_is_loaded_where_nobody_says_one():
    program = (
        "import sys, harness; print(type(sys.meta_path[0]).__name__,"
        " *sorted(name for name in sys.modules if name.startswith('harness')))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [FormerNames.__name__, "harness", "harness.moved"]
