"""The alarm of a drill: the rules of a watch over what its readers were told."""

from __future__ import annotations

import pytest

from harness.jobs.rollback import WatchAlarm
from harness.rollback import Asked
from harness.rollback.alarm import MOST_WAIT_S, Alerted

RATE = 25


def readers(path: str, begin: float, seconds: float, status: int) -> list[Asked]:
    times = [begin + number / RATE for number in range(int(seconds * RATE))]
    return [Asked(path=path, due=at, ended=at, status=status) for at in times]


@pytest.mark.parametrize("status", [500, 429, 0], ids=["failed", "refused", "cut"])
def test_a_path_that_fails_is_told_within_seconds_and_is_over_a_moment_after_it_is_mended(status):
    alarm = WatchAlarm()
    assert alarm.hear([*readers("/", 0, 3, 200), *readers("/items", 0, 3, 200)], 3.0) == ()
    (text,) = alarm.hear([*readers("/", 3, 2, 200), *readers("/items", 3, 2, status)], 5.0)
    assert text.startswith("/items: ")
    assert alarm.hear([*readers("/", 5, 2, 200), *readers("/items", 5, 2, 200)], 7.0) == ()


def test_without_readers_an_alert_neither_comes_nor_ends():
    alarm = WatchAlarm()
    assert alarm.hear([], 5.0) == ()
    assert alarm.hear(readers("/", 5, 2, 500), 7.0)
    assert alarm.hear([], 60.0)


@pytest.mark.parametrize(
    ("alerted", "said"),
    [
        (Alerted(failed=3), f"3 requests failed, and within {MOST_WAIT_S:g} s no alert told of it"),
        (Alerted(failed=3, text="/items: bad", began_s=1.0), "the alert has not ended 15 s after the rollback: /items"),
    ],
)
def test_an_alert_that_does_not_come_or_does_not_end_is_a_problem(alerted, said):
    (problem,) = alerted.problems
    assert problem.startswith(said)


@pytest.mark.parametrize("alerted", [Alerted(failed=0), Alerted(failed=3, text="x", began_s=1.0, ended_s=2.0)])
def test_what_failed_no_reader_and_what_came_and_ended_is_none(alerted):
    assert alerted.problems == ()
