"""Every lie of the catalogue, told to the real gate, is caught as its `defect.toml` says; told honestly, it is GO."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from harness.machine.bundle import root
from harness.model import MutantStatus
from harness.prove.gate_lies import LIES, control, run_lie
from harness.prove.gate_lies.scene import Lie
from harness.prove.model import Defect, Expectation

FOLDER = root() / "defects" / "gate"


def read(folder: Path) -> Defect:
    """A defect as it is written."""
    written = tomllib.loads((folder / "defect.toml").read_text(encoding="utf-8"))
    return Defect(**written | {"folder": folder, "expect": Expectation(**written["expect"])})


CATALOGUE = {folder.name: read(folder) for folder in sorted(FOLDER.iterdir())}
HONEST = {id(LIES[name].honest): name for name in sorted(LIES, reverse=True)}
"""One lie for each honest scene: many share theirs."""

pytestmark = pytest.mark.timeout(400)


def test_every_lie_is_in_the_catalogue_under_its_own_name():
    assert {name: one.id for name, one in CATALOGUE.items()} == {name: name for name in LIES}
    assert {one.lie for one in CATALOGUE.values()} == set(LIES)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_lie_is_caught_for_what_it_is(tmp_path, name):
    result = run_lie(CATALOGUE[name], tmp_path / "scratch")
    assert result.status is MutantStatus.KILLED, result.reason
    assert result.expected in (CATALOGUE[name].expect.criterion, f"exit {CATALOGUE[name].expect.exit}")


@pytest.mark.parametrize("name", sorted(HONEST.values()))
def test_the_same_scene_without_the_lie_is_go(tmp_path, name):
    ending = control(CATALOGUE[name], tmp_path / "scratch")
    assert ending.is_go, ending.words
    assert ending.exit == 0


def test_a_wrong_expectation_is_no_kill(tmp_path):
    lie = CATALOGUE["metric-without-samples"]
    wrong = replace(lie, expect=replace(lie.expect, status="fail"))
    assert run_lie(wrong, tmp_path / "wrong").status is MutantStatus.MISATTRIBUTED


def test_a_lie_that_is_believed_survives(tmp_path, monkeypatch):
    lie = CATALOGUE["metric-without-samples"]
    monkeypatch.setitem(LIES, lie.lie, Lie(told=LIES[lie.lie].honest, honest=LIES[lie.lie].honest))
    result = run_lie(lie, tmp_path / "believed")
    assert (result.status, result.detected) == (MutantStatus.SURVIVED, False)
    assert "verdict GO" in result.reason
