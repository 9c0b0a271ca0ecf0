"""The named mistakes on the wire: enough of each kind, and strong enough for what they are to be noticed by."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.config import load_policy
from harness.config.toml_reader import read_toml
from harness.machine.bundle import root
from harness.prove.model import Defect, Expectation, Where
from harness.prove.wire.operators import facet_of, validate

FOLDER = root() / "defects" / "wire"
AREAS = {
    "headers",
    "csp",
    "cookies",
    "cors",
    "cache",
    "errors",
    "input",
    "status",
    "limits",
    "latency",
    "body",
    "page",
    "transfer",
}


def defects() -> list[Defect]:
    """The catalogue's files, as the loader reads them."""
    found = []
    for path in sorted(FOLDER.glob("*/defect.toml")):
        said = dict(read_toml(path).document)
        where, expect = Where(**said.pop("where", {})), Expectation(**said.pop("expect"))
        found.append(Defect(folder=path.parent, where=where, expect=expect, **said))
    return found


ALL = defects()
NAMED = pytest.mark.parametrize("defect", ALL, ids=lambda defect: defect.id)


@NAMED
def test_each_is_one_that_can_be_made(defect):
    validate(defect)
    assert facet_of(defect)
    assert defect.id == defect.folder.name
    assert defect.id.startswith(f"{defect.area}-")


def test_there_are_some_of_every_area():
    counted = Counter(defect.area for defect in ALL)
    assert set(counted) == AREAS
    assert len(ALL) >= 30
    assert min(counted.values()) >= 3


def test_no_two_do_the_same():
    assert len({(one.operator, one.where, str(sorted(one.args.items()))) for one in ALL}) == len(ALL)


def test_a_late_answer_is_late_by_three_times_what_the_policy_grants():
    policy = load_policy("quick", root())
    (granted,) = (one.demand.value for one in policy.criteria if one.id == "load.latency")
    delays = [one.args.get("ms") or one.args["pause_ms"] for one in ALL if one.operator in ("late", "stall")]
    assert len(delays) >= 3
    assert min(delays) >= 3 * granted
