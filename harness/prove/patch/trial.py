"""Tries the patches of a catalogue, as many at once as there is room for."""

from __future__ import annotations

import time
from dataclasses import replace

from harness.model import Status
from harness.prove.controls import Controls
from harness.prove.model import Defect, Fate, Result
from harness.prove.patch.runner import AttemptError, Ground
from harness.prove.selection import Ruled, criterion_of, select_tests, settle_fate


def try_patch(defect: Defect, ground: Ground, controls: Controls, healthy: Ruled, *, full: bool) -> Result:
    """Plant one patch and see what the gate says.

    First only the tests that can notice it as expected, up to the first that does; whatever else comes out, and with
    `full`, all of them. Raises ConfigError for a patch that does not apply.
    """
    begun = time.monotonic()
    narrowed = bool(ground.narrowed)
    seen: Ruled | None = None
    try:
        fate, reason = Fate.SURVIVED, ""
        if not full:
            seen, fate, reason = _try_expected(defect, ground, controls, healthy)
        if fate is not Fate.KILLED:
            seen = ground.attempt(f"{defect.id}-full", defect.folder / defect.patch, None)
            control = healthy.status(defect.expect.criterion)
            fate, reason = settle_fate(defect.expect, seen, control, narrowed=narrowed)
    except AttemptError as error:
        fate, reason = Fate.INCONCLUSIVE, error.message
    result = defect.came_to(fate, reason=reason, seconds=time.monotonic() - begun)
    return replace(result, failed=seen.failed, checks=seen.checks) if seen else result


def _try_expected(defect: Defect, ground: Ground, controls: Controls, healthy: Ruled) -> tuple[Ruled | None, Fate, str]:
    criterion = criterion_of(ground.policy, defect.expect.criterion)
    selection = select_tests(criterion, defect.expect.check, healthy.evidence)
    status = controls.status(selection) if selection is not None else None
    if selection is None or status is not Status.PASS:
        return None, Fate.INCONCLUSIVE, ""
    seen = ground.attempt(defect.id, defect.folder / defect.patch, selection)
    return seen, *settle_fate(defect.expect, seen, status, narrowed=False)
