"""What a test says whose probe gives holes, ends, or runs out of its time."""

from tests.suite_session import Bench

_SUITE = """
import pytest

from harness.testing.api import Hole, OutOfTime

FOUND = Hole(operation="GET /a", says="is open to anybody")
ALSO = Hole(operation="GET /b", parameter="id", says="is open to anybody")


def cut(*found):
    yield from found
    raise OutOfTime(7, 50.0)


@pytest.mark.check("holes.whole")
def test_whole(first_hole):
    assert first_hole(iter(())) is None, "something is open"


@pytest.mark.check("holes.cut")
def test_cut(first_hole):
    assert first_hole(cut()) is None, "something is open"


@pytest.mark.check("holes.found")
def test_found(first_hole):
    hole = first_hole(cut(FOUND, ALSO, FOUND))
    assert hole is None, str(hole)
"""


def test_a_probe_that_was_cut_short_passes_nothing(tmp_path):
    bench = Bench(tmp_path)
    bench.suite(_SUITE)
    ended = bench.run_as("in the gate", 0)
    assert sorted((line["check"], line["outcome"]) for line in ended.lines) == [
        ("holes.cut", "skip"), ("holes.found", "fail"), ("holes.found", "fail"), ("holes.found", "skip"),
        ("holes.whole", "pass"),
    ]  # fmt: skip
    found = [line for line in ended.lines if line["check"] == "holes.found" and line["outcome"] == "fail"]
    assert {line["subject"] for line in found} == {"GET /a", "GET /b, id"}
    assert len({line["detail"]["cause"] for line in found}) == 1
    skipped = [line for line in ended.lines if line["outcome"] == "skip"]
    # beside what was found, too, it is said that more was left untried
    assert {line["check"] for line in skipped} == {"holes.cut", "holes.found"}
    assert all("ended after 7 requests and 50 s" in line["detail"]["reason"] for line in skipped)
