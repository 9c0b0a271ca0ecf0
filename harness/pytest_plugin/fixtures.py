"""Fixtures that write evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import pytest

from harness.model import Observation, Outcome
from harness.pytest_plugin.markers import check_mark, suite_of
from harness.pytest_plugin.stash import MACHINE_LOCK, NOTES, REDACT


class Measure(Protocol):
    """Adds measured evidence: `measure("cache.ratio", 0.12, unit="ratio", interval=(0.1, 0.14), …)`."""

    def __call__(
        self,
        check: str,
        value: float,
        *,
        unit: str,
        statistic: str,
        interval: tuple[float, float],
        n: int,
        level: float = 0.95,
        method: str = "",
        subject: str = "",
        **detail: object,
    ) -> None:
        """Write one measured line."""


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Measure:
    """A statistic with its interval, as evidence of this test. The judge compares it; it never resamples."""
    item = request.node

    def add(
        check: str,
        value: float,
        *,
        unit: str,
        statistic: str,
        interval: tuple[float, float],
        n: int,
        level: float = 0.95,
        method: str = "",
        subject: str = "",
        **detail: object,
    ) -> None:
        low, high = interval
        facts: dict[str, Any] = {
            "statistic": statistic,
            "interval": [float(low), float(high)],
            "level": level,
            "method": method,
        }
        item.stash[NOTES].assertions += 1
        item.stash[NOTES].observations.append(
            Observation(
                suite=suite_of(item.path, item.config),
                check=check,
                subject=subject or check_mark(item).subject,
                outcome=Outcome.MEASURED,
                value=float(value),
                unit=unit,
                n=n,
                detail=facts | detail,
                test=item.nodeid,
            )
        )

    return add


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Observations that an instrument already made, as evidence of this test."""
    item = request.node

    def add(*observations: Observation) -> None:
        item.stash[NOTES].assertions += len(observations)
        item.stash[NOTES].observations += [replace(seen, test=item.nodeid) for seen in observations]

    return add


@pytest.fixture(scope="session")
def turn(pytestconfig: pytest.Config) -> Callable[[], AbstractContextManager[float]]:
    """For tests marked `beside`: a shared turn on the machine, to be held only while requests are sent."""
    return pytestconfig.stash[MACHINE_LOCK].shared


@pytest.fixture
def learn_secret(request: pytest.FixtureRequest) -> Callable[[Sequence[str]], None]:
    """Secrets learned while testing (tokens): they will not reach a file of the run."""
    return request.config.stash[REDACT].learn
