"""The public face for authors of suites: whole, documented, and enough for our own suites."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import harness.testing
from tests.pages import ROOT, blocks, read, rows, section

PARTS = sorted(
    "harness.testing" + ("" if file.stem == "__init__" else f".{file.stem}")
    for file in Path(harness.testing.__file__).parent.glob("*.py")
)
OURS = [
    file for folder in ("suites", "fixtures", "examples", "defects") for file in sorted((ROOT / folder).rglob("*.py"))
] + [ROOT / "conftest.py"]


@pytest.mark.parametrize("part", PARTS)
def test_every_public_name_is_promised(part):
    module = import_module(part)
    held = {name for name, one in vars(module).items() if not name.startswith("_") and not inspect.ismodule(one)}
    assert held == set(module.__all__)
    assert import_module(part).__all__ == sorted(import_module(part).__all__, key=_as_ruff_sorts)


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("part", PARTS)
def test_every_name_says_what_it_is_for(part):
    named = [getattr(import_module(part), name) for name in import_module(part).__all__]
    assert [one for one in named if (inspect.isclass(one) or inspect.isfunction(one)) and not one.__doc__] == []


@pytest.mark.parametrize("part", PARTS)
def test_every_name_is_documented_under_the_module_that_has_it(part):
    told = {
        row[0].strip("`"): row[1] for row in rows(section(read("docs/suites.md"), "## What a suite imports"), columns=2)
    }
    assert set(told) - {"module"} == set(PARTS)
    missing = [name for name in import_module(part).__all__ if f"`{name}`" not in told[part]]
    assert missing == []
    assert told[part].count("`") == 2 * len(import_module(part).__all__)


@pytest.mark.parametrize("file", OURS, ids=lambda file: str(file.relative_to(ROOT)))
def test_our_own_suites_import_nothing_deeper(file):
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    plugin = ["harness.pytest_plugin"] if file == ROOT / "conftest.py" else []
    deeper = [name for name in found if name.partition(".")[0] == "harness" and name not in (*PARTS, *plugin)]
    assert deeper == []


def test_the_examples_of_the_documentation_import_nothing_deeper():
    names = [
        node.module
        for text in blocks(read("docs/suites.md"), "python")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.module
    ]
    assert [name for name in names if name.startswith("harness") and name not in PARTS] == []


def test_what_a_suite_does_not_use_is_not_loaded():
    program = "import sys, harness.testing; print(*(name for name in sys.modules if name in sys.argv))"
    heavy = ("numpy", "locust", "gevent", "docker", "playwright", "harness.load", "harness.checkers")
    ended = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
