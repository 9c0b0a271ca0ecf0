"""Severity decides: what is grave is a failure, what is lesser is to be done, what nobody could look at is a step."""

import json

import pytest

from harness.config import load_policy
from harness.judge import judge, verdict_document
from harness.machine.bundle import root
from harness.model import Criterion, Decision, Select, Status
from tests.judging import line, policy, record

GRAVE = Criterion(
    id="grave", area="security", select=Select(checks=("*",), severities=("high", "critical")), allow_skip=("*",)
)
LESSER = Criterion(
    id="lesser",
    area="security",
    select=Select(checks=("*",), severities=("trivial", "minor", "normal"), rest=True),
    budget=2,
    required=False,
)
LOGIN = Criterion(id="login", area="security", select=Select(checks=("auth.*",)), unlock="[auth] login: an account")


def seen(outcome: str, check: str, severity: str = "", subject: str = "GET /", **detail: str):
    suite = "e2e" if check.startswith("api.") else "security"
    return line(outcome, check, suite=suite, subject=subject, detail={"severity": severity} | detail)


def verdict_of(*lines, criteria=(GRAVE, LESSER, LOGIN)):
    return judge(policy(*criteria), (), record(*lines))


def status_of(verdict, name):
    return next(ruling.status for ruling in verdict.criteria if ruling.id == name)


@pytest.mark.parametrize("severity", ["high", "critical"])
def test_one_grave_finding_is_a_no_go(severity):
    verdict = verdict_of(seen("pass", "cors.a", "high"), seen("fail", "cors.b", severity))
    assert verdict.verdict is Decision.NO_GO
    assert status_of(verdict, "lesser") is not Status.FAIL


@pytest.mark.parametrize("severity", ["trivial", "minor", "normal", ""])
def test_a_lesser_finding_is_to_be_done(severity):
    verdict = verdict_of(
        seen("pass", "cors.a", "high"),
        seen("fail", "headers.b", severity, "GET /", message="no header", remedy="Send it."),
        seen("fail", "headers.b", severity, "GET /x"),
    )
    assert verdict.verdict is Decision.GO
    (todo,) = verdict.todo
    assert (todo.check, todo.severity, todo.subjects) == ("headers.b", severity or "normal", ("GET /", "GET /x"))
    assert (todo.message, todo.remedy) == ("no header", "Send it.")


def test_a_budget_counts_checks_and_not_their_subjects():
    one_check = [seen("fail", "headers.a", "minor", f"GET /{number}") for number in range(9)]
    verdict = verdict_of(seen("pass", "cors.a", "high"), *one_check)
    assert status_of(verdict, "lesser") is Status.PASS
    many = [seen("fail", f"headers.{number}", "minor") for number in range(3)]
    assert status_of(verdict_of(seen("pass", "cors.a", "high"), *many), "lesser") is Status.FAIL


def test_the_gravest_thing_to_do_comes_first():
    verdict = verdict_of(
        seen("pass", "cors.a", "high"), seen("fail", "headers.a", "trivial"), seen("fail", "headers.z", "normal")
    )
    assert [todo.check for todo in verdict.todo] == ["headers.z", "headers.a"]


def test_what_nothing_could_look_at_is_one_step_and_no_part_of_the_share():
    verdict = verdict_of(seen("pass", "cors.a", "high"), seen("skip", "auth.a", "high", reason="no account"))
    assert (verdict.verdict, verdict.score) == (Decision.GO, 100.0)
    assert status_of(verdict, "login") is Status.NOT_APPLICABLE
    assert verdict.next_steps == ("[auth] login: an account",)
    assert json.loads(verdict_document(verdict))["next_steps"] == ["[auth] login: an account"]


def test_a_step_is_told_once_and_the_heaviest_first():
    steps = [
        Criterion(id=f"c{number}", area="a", select=Select(checks=(f"c{number}",)), unlock=step, weight=weight)
        for number, (step, weight) in enumerate([("one", 1.0), ("two", 2.0), ("one", 2.0)])
    ]
    verdict = verdict_of(seen("pass", "cors.a", "high"), criteria=(GRAVE, *steps))
    assert verdict.next_steps == ("one", "two")


@pytest.mark.parametrize(("outcome", "decided"), [("fail", Decision.NO_GO), ("error", Decision.INCONCLUSIVE)])
def test_a_step_that_was_made_decides(outcome, decided):
    verdict = verdict_of(seen("pass", "cors.a", "high"), seen(outcome, "auth.a", "normal"))
    assert verdict.verdict is decided
    assert verdict.next_steps == ()


def test_a_policy_of_steps_alone_is_held_back():
    verdict = verdict_of(seen("pass", "cors.a", "high"), criteria=(LOGIN,))
    assert verdict.verdict is Decision.INCONCLUSIVE
    assert "requires nothing" in verdict.held_back[0].text


def test_the_rest_is_what_no_other_criterion_looks_at():
    rest = Criterion(id="rest", area="a", select=Select(checks=("*",), rest=True))
    cors = Criterion(id="cors", area="a", select=Select(checks=("cors.*",)))
    verdict = verdict_of(seen("fail", "cors.a"), seen("pass", "page.a"), criteria=(rest, cors))
    assert (status_of(verdict, "rest"), status_of(verdict, "cors")) == (Status.PASS, Status.FAIL)


def of_the_web(*lines):
    return judge(load_policy("web", root()), (), record(*lines, target="anything"))


SOUND = (
    seen("pass", "api.answers", "high"),
    seen("pass", "errors.query", "high"),
    seen("pass", "headers.nosniff", "high"),
    seen("pass", "cors.wildcard", "high"),
    seen("skip", "ratelimit.within", "high", reason="the profile names no limit"),
    seen("skip", "page.loads", "critical", reason="the target shows no page"),
)


def test_a_bare_address_can_be_go():
    verdict = of_the_web(*SOUND)
    assert verdict.verdict is Decision.GO, verdict.criteria
    assert any(step.startswith("[auth] login") for step in verdict.next_steps)


@pytest.mark.parametrize("check", ["api.answers", "errors.query", "cors.wildcard", "openapi.bodies", "disclosure.git"])
def test_what_any_service_owes_is_a_no_go(check):
    assert of_the_web(*SOUND, seen("fail", check, "high", "GET /bad")).verdict is Decision.NO_GO


def test_a_slow_answer_of_a_busy_machine_is_none():
    late = line(
        "measured",
        "load.latency",
        suite="load",
        subject="ALL",
        value=900.0,
        unit="ms",
        n=500,
        detail={"statistic": "p95", "interval": [880.0, 950.0]},
    )
    assert of_the_web(*SOUND, late).verdict is Decision.GO
