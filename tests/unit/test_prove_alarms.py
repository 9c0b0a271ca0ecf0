"""What a healthy run has against the service, and what is no false alarm."""

import pytest

from harness.judge import judge
from harness.prove.controls import find_alarms
from harness.prove.selection import JudgedRun
from tests.judging import criterion, line, policy, record

HEADERS = criterion("headers.*", id="security.headers")
SKIP = line("skip", "headers.authenticated", detail={"reason": "the target shows no role"})
PASS = line("pass", "headers.hsts")


def judged_run(*lines, started=True):
    whole = record(*lines, started=started)
    return JudgedRun(verdict=judge(policy(HEADERS), (), whole), evidence=whole.evidence)


def test_a_run_that_is_well_has_nothing_against_it():
    assert find_alarms(judged_run(PASS), partial=False) == ()


@pytest.mark.parametrize("outcome", ["fail", "error"])
@pytest.mark.parametrize("foreign", [False, True])
def test_what_fails_or_cannot_be_told_is_an_alarm_of_every_service(outcome, foreign):
    (alarm,) = find_alarms(judged_run(PASS, SKIP, line(outcome, "headers.nosniff")), partial=True, foreign=foreign)
    assert alarm.startswith("security.headers is ")


def test_a_skip_is_an_alarm_of_our_own_service_alone():
    (alarm,) = find_alarms(judged_run(PASS, SKIP), partial=True)
    assert alarm.startswith("security.headers is inconclusive: 1 skipped")
    assert find_alarms(judged_run(PASS, SKIP), partial=True, foreign=True) == ()


def test_a_part_in_which_nothing_ran_is_no_alarm_and_a_whole_run_is():
    empty = judged_run(SKIP, started=False)
    assert find_alarms(empty, partial=True) == ()
    alarms = find_alarms(empty, partial=False)
    assert "no check passed in this run" in alarms
    assert any(alarm.startswith("security.headers is not_run") for alarm in alarms)
