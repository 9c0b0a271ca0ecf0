"""What a healthy run has against the service, and what is no false alarm."""

from dataclasses import replace

import pytest

from harness.judge import judge
from harness.model import UNKNOWN_BUILD, Build, HeldBack, HoldBackKind, Verdict
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


def of_build(build: Build, narrowed: str = "") -> JudgedRun:
    """A run of that build by a policy that demands a clean one."""
    whole = replace(record(PASS), build=build, narrowed=narrowed)
    return JudgedRun(verdict=judge(replace(policy(HEADERS), clean_build=True), (), whole), evidence=whole.evidence)


@pytest.mark.parametrize("build", [UNKNOWN_BUILD, Build(kind="commit", id="4f0c1f6", dirty=True)])
def test_a_copy_of_no_known_build_that_was_narrowed_is_no_alarm(build):
    run = of_build(build, narrowed="--without cache")
    assert len(run.verdict.held_back) == 2
    assert find_alarms(run, partial=False) == ()


@pytest.mark.parametrize("kind", HoldBackKind)
@pytest.mark.parametrize("text", ["the build failed", "the run was narrowed", "no check passed"])
def test_the_kind_alone_says_what_is_no_alarm_whatever_the_words(kind, text):
    run = judged_run(PASS)
    verdict: Verdict = replace(run.verdict, held_back=(HeldBack(kind, text),))
    tolerated = {HoldBackKind.NARROWED, HoldBackKind.BUILD_UNKNOWN, HoldBackKind.BUILD_DIRTY}
    assert find_alarms(replace(run, verdict=verdict), partial=False) == (() if kind in tolerated else (text,))
    partly = tolerated | {HoldBackKind.NOTHING_PASSED}
    assert find_alarms(replace(run, verdict=verdict), partial=True) == (() if kind in partly else (text,))
