"""The score never counts what was not measured, and a check always comes back."""

from __future__ import annotations

import threading

import pytest

from harness.errors import ConfigError
from harness.model import Observation, Outcome, PreflightRules, Service, StackInfo, Target
from harness.preflight import (
    CHECK_IDS,
    CHECKS,
    LIVE,
    Check,
    ReadinessFinding,
    Scene,
    checks,
    not_asked,
    readiness_score,
    run_check,
    score_observation,
    validate_weights,
)
from harness.preflight.check import CannotAskError, fine, nothing_to_ask, unknown, wrong
from harness.preflight.checks import registered

SCENE = Scene(
    target=Target(name="t", source="", service=Service(command=("x",))),
    info=StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=True),
)


def check(answer: ReadinessFinding | Exception) -> Check:
    def ask(_scene: Scene) -> ReadinessFinding:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Check(id="preflight.x", order=1, subject="x", title="x", ask=ask)


def seen(name: str, outcome: Outcome, *, counts: bool | None = None) -> Observation:
    detail = {} if counts is None else {"counts": counts}
    return Observation(suite="preflight", check=f"preflight.{name}", subject="s", outcome=outcome, detail=detail)


def test_a_finding_becomes_an_observation_with_time_and_remedy() -> None:
    got = run_check(check(wrong("it is off", "switch it on", value=2.0, unit="s", subject="y")), SCENE)
    assert (got.suite, got.check, got.subject, got.outcome) == ("preflight", "preflight.x", "y", Outcome.FAIL)
    assert (got.value, got.unit) == (2.0, "s")
    assert got.detail["message"] == got.detail["reason"] == "it is off"
    assert got.detail["remedy"] == "switch it on"
    assert got.detail["seconds"] >= 0


@pytest.mark.parametrize(
    ("answer", "outcome", "says"),
    [
        (fine("good"), Outcome.PASS, "good"),
        (unknown("far away"), Outcome.SKIP, "far away"),
        (CannotAskError("it is down", "start it"), Outcome.ERROR, "it is down"),
        (RuntimeError("boom\nbang"), Outcome.ERROR, "the check itself failed: RuntimeError: boom bang"),
    ],
)
def test_every_end_of_a_check_is_an_outcome(answer: ReadinessFinding | Exception, outcome: Outcome, says: str) -> None:
    got = run_check(check(answer), SCENE)
    assert (got.outcome, got.detail["message"]) == (outcome, says)


def test_a_check_that_hangs_is_left_behind() -> None:
    release, ended = threading.Event(), threading.Event()

    def hang(_scene: Scene) -> ReadinessFinding:
        release.wait(10)
        ended.set()
        return fine("too late")

    got = run_check(
        Check(id="preflight.x", order=1, subject="x", title="x", ask=hang),
        SCENE,
        deadline_s=0.05,
    )
    assert not ended.is_set()
    release.set()
    assert got.outcome is Outcome.ERROR
    assert "no answer within 0.05 s" in got.detail["message"]


def test_ids_are_stable_and_unique() -> None:
    ids = [each.id for each in CHECKS]
    assert len(set(ids)) == len(ids)
    assert all(each.startswith("preflight.") for each in ids)
    assert len({each.order for each in CHECKS}) == len(ids)
    assert (*ids, "preflight.score") == CHECK_IDS


def test_a_check_is_found_by_its_module_alone(tmp_path, monkeypatch) -> None:
    (tmp_path / "stars.py").write_text(
        "from harness.preflight.check import Check, fine\n"
        "ask = lambda scene: fine('they shine')\n"
        "CHECKS = (Check(id='preflight.stars', order=155, subject='sky', title='stars', ask=ask),)\n"
    )
    monkeypatch.setattr(checks, "__path__", [*checks.__path__, str(tmp_path)])
    found = [each.id for each in registered()]
    assert set(found) == {*(each.id for each in CHECKS), "preflight.stars"}
    assert found.index("preflight.stars") == found.index("preflight.cache_server") - 1


def test_only_a_pass_earns() -> None:
    outcomes = (Outcome.PASS, Outcome.FAIL, Outcome.ERROR, Outcome.SKIP, Outcome.FLAKY, Outcome.MEASURED)
    score = readiness_score([seen(str(number), outcome) for number, outcome in enumerate(outcomes)], {})
    assert score.value == pytest.approx(100 / 6, abs=0.05)
    assert [part.earned for part in score.parts] == [1, 0, 0, 0, 0, 0]


def test_what_the_target_does_not_have_leaves_and_what_is_unknown_stays() -> None:
    score = readiness_score(
        [seen("a", Outcome.PASS), seen("b", Outcome.SKIP, counts=False), seen("c", Outcome.SKIP, counts=True)], {}
    )
    assert score.value == 50
    assert score.left_out == ("preflight.b",)


def test_weights_by_either_name() -> None:
    lines = [seen("a", Outcome.PASS), seen("b", Outcome.FAIL), seen("c", Outcome.FAIL)]
    assert readiness_score(lines, {"a": 3, "preflight.b": 1, "c": 0}).value == 75


@pytest.mark.parametrize("lines", [[], [seen("a", Outcome.SKIP, counts=False)]])
def test_nothing_asked_is_nothing_proven(lines: list[Observation]) -> None:
    assert readiness_score(lines, {}).value == 0


def test_other_suites_and_an_earlier_score_are_no_part() -> None:
    lines = [seen("a", Outcome.PASS), Observation(suite="e2e", check="x", subject="", outcome=Outcome.FAIL)]
    first = readiness_score(lines, {})
    assert first.value == 100
    assert readiness_score([*lines, score_observation(first)], {}) == first


def test_the_score_as_evidence_lists_what_is_missing() -> None:
    line = score_observation(readiness_score([seen("a", Outcome.PASS), seen("b", Outcome.ERROR)], {}))
    assert (line.check, line.outcome, line.value, line.detail["interval"]) == (
        "preflight.score", Outcome.MEASURED, 50.0, [50.0, 50.0],
    )  # fmt: skip
    assert line.detail["message"] == "1 of 2 checks passed; not: b (error)"


def test_a_service_that_never_came_up_does_not_leave_the_score() -> None:
    lines = not_asked("exit status 2")
    assert {each.check for each in lines} == {each.id for each in LIVE}
    assert [each.check for each in lines if each.outcome is Outcome.FAIL] == ["preflight.service"]
    assert readiness_score(lines, {}).value == 0
    assert len(readiness_score(lines, {}).parts) == len(LIVE)


def test_a_skip_of_nothing_names_its_reason() -> None:
    got = run_check(check(nothing_to_ask("the profile names no mail")), SCENE)
    assert (got.outcome, got.detail["reason"], got.detail["counts"]) == (
        Outcome.SKIP, "the profile names no mail", False,
    )  # fmt: skip


def test_a_weight_of_no_check_is_refused_with_the_nearest() -> None:
    target = Target(
        name="t",
        source="p.toml",
        service=Service(),
        preflight=PreflightRules(weights={"databse": 2, "preflight.smtp": 1}),
    )
    with pytest.raises(
        ConfigError, match=r"p\.toml: preflight\.weights: no check 'databse'; did you mean 'database'\?"
    ):
        validate_weights(target)
