"""Lies told to the gate itself: each builds what some gate was caught believing, and asks the real gate or judge.

A scene leaves nothing outside of its scratch folder.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from harness.config.toml_reader import nearest
from harness.errors import ConfigError
from harness.prove.gate_lies import number_lies, policy_lies, process_lies, record_lies, release_lies, suite_lies
from harness.prove.gate_lies.scene import Ending, Lie, Scene, status_of
from harness.prove.model import Defect, Result

__all__ = ["LIES", "Ending", "control", "run_lie", "status_of"]

LIES: Mapping[str, Lie] = {
    **number_lies.LIES,
    **policy_lies.LIES,
    **process_lies.LIES,
    **record_lies.LIES,
    **release_lies.LIES,
    **suite_lies.LIES,
}
"""Every lie that a `defect.toml` may name."""


def run_lie(defect: Defect, scratch: Path) -> Result:
    """Tell the lie in the fresh folder `scratch`, which is gone afterwards, and say what became of it.

    Raises `ConfigError` if there is no such lie, `OSError` or `HarnessError` if the scene cannot be built.
    """
    lie = _lie_of(defect)
    begun = time.monotonic()
    ending = _play(lie.told, scratch)
    status = status_of(defect.expect, ending)
    result = defect.came_to(status, reason=ending.words, seconds=time.monotonic() - begun)
    return msgspec.structs.replace(result, failed=ending.failed)


def control(defect: Defect, scratch: Path) -> Ending:
    """The same scene without the lie; if it is not `is_go`, that is a false alarm, and `words` say why.

    Raises as `run_lie` does.
    """
    return _play(_lie_of(defect).honest, scratch)


def _play(scene: Scene, scratch: Path) -> Ending:
    try:
        return scene(scratch)
    finally:
        # a copy of the harness each: a whole catalogue of them would fill a small disk
        shutil.rmtree(scratch, ignore_errors=True)


def _lie_of(defect: Defect) -> Lie:
    if defect.lie not in LIES:
        what = f"no lie {defect.lie!r}; {nearest(defect.lie, LIES)}"
        raise ConfigError(what, path=defect.folder / "defect.toml", key="lie")
    return LIES[defect.lie]
