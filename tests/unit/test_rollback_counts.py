"""What became of readers during a rollback, and what its tables show: numbers, from lists of answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backup import Acknowledged
from harness.model import Release, SchemaManifest, Table
from harness.rollback.drill import drill_problems
from harness.rollback.plan import PlannedStep, RollbackPlan
from harness.rollback.rollback import RollbackResult
from harness.rollback.tables import TableState, changed_tables, lost_parts, manifest_problems
from harness.rollback.traffic import Asked, TrafficCounts, count
from harness.rollback.verify import Verified


def asked(*statuses: int) -> list[Asked]:
    """One request a second, answered at once."""
    return [Asked(path="/", due=float(at), ended=at + 0.1, status=status) for at, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("statuses", "failed", "down"),
    [
        ((200, 200, 304), 0, 0.0),
        ((200, 500, 0, 200), 2, 2.0),
        ((500, 200, 429, 200), 2, 2.0),
        ((200, 0), 1, 0.1),
        ((), 0, 0.0),
    ],
)
def test_a_gap_lasts_to_the_next_good_answer(statuses, failed, down):
    found = count(asked(*statuses))
    assert (found.requests, found.failed, found.down_s) == (len(statuses), failed, down)


def test_a_bad_answer_of_a_path_that_was_bad_before_is_excused_and_a_cut_is_not():
    found = count([*asked(200, 500), Asked(path="/", due=2.0, ended=2.1, status=0, why="cut")], {"/"})
    assert (found.failed, found.first_failure) == (1, "GET /: cut")


@given(st.lists(st.sampled_from([200, 302, 404, 500, 0])))
def test_there_is_a_gap_exactly_where_something_failed(statuses):
    found = count(asked(*statuses))
    assert (found.down_s > 0) == (found.failed > 0)
    assert found.failed == sum(not 0 < status < 400 for status in statuses)
    assert found.down_s <= len(statuses)


def table(checksum: str = "1", rows: int = 3, columns: tuple[str, ...] = ("id", "name")) -> TableState:
    return TableState(columns=columns, rows=rows, checksum=checksum)


def test_what_is_gone_and_what_has_changed_is_named():
    before = {"deals": table(), "items": table(), "notes": table()}
    after = {"deals": table("2"), "items": table("1", columns=("id",)), "more": table()}
    assert lost_parts(before, after) == ("table notes is gone (3 rows)", "column items.name is gone (3 rows)")
    assert changed_tables(before, after) == ("deals",)
    manifest = SchemaManifest(tables={"deals": Table(columns=("id", "price")), "shops": Table(columns=("id",))})
    assert manifest_problems(manifest, after) == ("table shops is missing", "column deals.price is missing")
    assert manifest_problems(None, after) == ()


STEADY = TrafficCounts(requests=50, failed=0, down_s=0.0)
SOUND = Verified(problems=(), flows=1, tables=2, after={"deals": table(), "jobs": table("9")})
DONE = RollbackResult(
    plan=RollbackPlan(
        id="r1",
        stack="s",
        target="t",
        level="config",
        before=Release(name="planted"),
        after=Release(name="good"),
        instances=(),
        workers=(),
        steps=(PlannedStep(name="start", what="", expected_s=None),),
        notes=(),
    ),
    outcome="done",
    seconds={},
    recovered_s=1.0,
    traffic=STEADY,
    verified=SOUND,
)
FIRST = {"deals": table(), "jobs": table("7")}
SECOND = {"deals": table(), "jobs": table("8")}


def test_a_sound_rollback_has_no_problem_though_the_service_writes_by_itself():
    assert drill_problems(DONE, STEADY, FIRST, SECOND) == ()
    # a job whose time came meanwhile
    for state in (table("5", rows=4), table("5")):
        written = replace(DONE, verified=Verified(problems=(), flows=1, tables=1, after={"deals": state}))
        assert drill_problems(written, STEADY, FIRST, SECOND) == ()


@pytest.mark.parametrize(
    ("result", "steady", "said"),
    [
        (replace(DONE, verified=None), STEADY, "nothing was verified"),
        (replace(DONE, traffic=replace(STEADY, requests=0)), STEADY, "no request was sent meanwhile"),
        (DONE, replace(STEADY, requests=0), "no request was sent meanwhile"),
        (
            replace(DONE, traffic=replace(STEADY, failed=2, first_failure="GET /: cut")),
            STEADY,
            "2 of 50 requests failed",
        ),
        (
            replace(DONE, verified=Verified(problems=(), flows=1, tables=1, after={"deals": table("5", rows=2)})),
            STEADY,
            "table deals had 3 rows and has 2",
        ),
        (
            replace(DONE, verified=Verified(problems=("GET / answered 500",), flows=1, tables=0)),
            STEADY,
            "GET / answered",
        ),
        (replace(DONE, verified=replace(SOUND, flows=0)), STEADY, "so it says nothing"),
        (replace(DONE, verified=replace(SOUND, tables=0)), STEADY, "so it says nothing"),
    ],
    ids=[
        "no verification",
        "no traffic",
        "no steady traffic",
        "failed requests",
        "lost rows",
        "not well",
        "no flows",
        "no tables",
    ],
)
def test_each_thing_that_is_wrong_with_a_rollback_is_a_problem(result, steady, said):
    found = drill_problems(result, steady, FIRST, SECOND)
    assert [one for one in found if said in one], found


def test_acknowledged_rows_that_are_lost_are_a_problem_and_those_after_the_point_are_not():
    counted = Acknowledged(before_end=9, lost=0, after_end=4, longest_wait_ms=1.0)
    assert drill_problems(DONE, STEADY, FIRST, SECOND, counted) == ()
    (said,) = drill_problems(DONE, STEADY, FIRST, SECOND, replace(counted, lost=2))
    assert "2 of 9 rows are lost" in said
