"""Readiness checks of settings: each mistake, and the near miss that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model import Outcome, RateLimit, Service, StackInfo, Target
from harness.preflight import Scene
from harness.preflight.checks.settings import check_environment, check_ratelimit_setting

GOOD = {
    "ENVIRONMENT": "test",
    "DATABASE_URL": "postgresql://app:hunter2hunter2@127.0.0.1:5432/app",
    "SECRET_KEY": "k" * 32,
    "PUBLIC_URL": "http://127.0.0.1:8000",
}


def scene(
    settings: dict[str, str],
    *,
    required: tuple[str, ...] = tuple(GOOD),
    limit: RateLimit | None = None,
    owned: bool = True,
    cwd: str = ".",
    absent: dict[str, str] | None = None,
) -> Scene:
    target = Target(
        name="t",
        source="",
        service=Service(command=("x",), required_env=required, cwd=cwd),
        ratelimit=limit,
        absent=absent or {},
    )
    info = StackInfo(name="t", backend="embedded", target="t", url="http://127.0.0.1:1", owned=owned, settings=settings)
    return Scene(target=target, info=info)


def test_all_required_variables_in_their_shape() -> None:
    found = check_environment(scene(GOOD))
    assert found.outcome is Outcome.PASS
    assert (found.value, found.unit) == (4, "variables")
    assert found.message.startswith("4 of 4 required variables")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ENVIRONMENT", "", "ENVIRONMENT is not set"),
        ("ENVIRONMENT", "  ", "ENVIRONMENT is not set"),
        ("DATABASE_URL", "localhost:5432", "DATABASE_URL is no URL"),
        ("DATABASE_URL", "postgresql://", "DATABASE_URL is no URL"),
        ("DATABASE_URL", "postgresql://h:99999/x", "DATABASE_URL is no URL"),
        ("DATABASE_URL", "postgresql://h/x y", "DATABASE_URL is no URL"),
        ("SECRET_KEY", "k" * 31, "SECRET_KEY has 31 characters"),
        ("SECRET_KEY", "change-me-" + "k" * 40, "SECRET_KEY is still a placeholder"),
        ("PUBLIC_URL", "/deals", "PUBLIC_URL is no URL"),
        ("PUBLIC_URL", "ftp://example.org", "PUBLIC_URL is no absolute http(s) URL"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(name: str, value: str, says: str) -> None:
    found = check_environment(scene({**GOOD, name: value}))
    assert found.outcome is Outcome.FAIL
    assert found.value == 3
    assert says in found.message
    assert name in found.remedy
    assert len(value) < 5 or value not in repr(found)


def test_a_missing_variable_is_counted() -> None:
    found = check_environment(scene({key: GOOD[key] for key in ("ENVIRONMENT", "PUBLIC_URL")}))
    assert found.message.startswith("2 of 4")
    assert "hunter2" not in repr(found)


def test_settings_of_somebody_elses_service_are_unknown_and_stay_in_the_score() -> None:
    found = check_environment(scene(GOOD, owned=False))
    assert found.outcome is Outcome.SKIP
    assert found.detail["counts"] is True
    assert "started by somebody else" in found.detail["reason"]


def test_nothing_required_is_nothing_to_ask() -> None:
    found = check_environment(scene(GOOD, required=()))
    assert found.outcome is Outcome.SKIP
    assert found.detail["counts"] is False


def test_the_file_of_the_environment_stands_below_what_was_given(tmp_path: Path) -> None:
    (tmp_path / ".env.test").write_text("# comment\nSECRET_KEY='" + "s" * 40 + "'\nENVIRONMENT=other\n\nno pair\n")
    given = {key: value for key, value in GOOD.items() if key != "SECRET_KEY"}
    assert check_environment(scene(given, cwd=str(tmp_path))).outcome is Outcome.PASS
    assert check_environment(scene({**given, "SECRET_KEY": "short"}, cwd=str(tmp_path))).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("settings", "limit", "outcome"),
    [
        ({"RATE_LIMIT_PER_MINUTE": "300"}, RateLimit(limit=300, window_s=60), Outcome.PASS),
        ({"RATE_LIMIT_PER_MINUTE": "1000000"}, RateLimit(limit=300, window_s=60), Outcome.FAIL),
        ({"RATE_LIMIT_PER_MINUTE": "299"}, RateLimit(limit=300, window_s=60), Outcome.FAIL),
        ({"RATE_LIMIT_PER_MINUTE": "many"}, RateLimit(limit=300, window_s=60), Outcome.FAIL),
        ({"RATE_LIMIT_PER_SECOND": "5"}, RateLimit(limit=300, window_s=60), Outcome.PASS),
        ({"APP_RATELIMIT": "20"}, RateLimit(limit=20, window_s=10), Outcome.PASS),
        ({"RATE_LIMIT_ENABLED": "true"}, RateLimit(limit=20, window_s=10), Outcome.SKIP),
        ({"RATE_LIMIT_PER_MINUTE": "7"}, None, Outcome.SKIP),
    ],
)
def test_the_limit_as_started_against_the_limit_as_promised(
    settings: dict[str, str], limit: RateLimit | None, outcome: Outcome
) -> None:
    assert check_ratelimit_setting(scene(settings, limit=limit)).outcome is outcome


def test_an_absent_limiter_says_why() -> None:
    found = check_ratelimit_setting(scene({}, absent={"ratelimit": "the gateway limits"}))
    assert found.message == "not applicable: the gateway limits"
    assert found.detail["counts"] is False
