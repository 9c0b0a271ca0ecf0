"""What was observed, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How one observation ended (DESIGN 4.2)."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"
    FLAKY = "flaky"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an instrument or a test has to say; it becomes evidence once a run gives it number and time.

    A `measured` observation carries in `detail`: `statistic`, `interval` ([low, high]), `level`, `method`.
    """

    suite: str
    check: str
    subject: str
    outcome: Outcome
    value: float | None = None
    unit: str = ""
    n: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)
    test: str | None = None
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One immutable line of `evidence.jsonl`: an observation with the run's name, a number from 1 and a UTC time."""

    run: str
    seq: int
    at: str
    suite: str
    check: str
    subject: str
    outcome: Outcome
    value: float | None = None
    unit: str = ""
    n: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)
    test: str | None = None
    artifacts: tuple[str, ...] = ()
