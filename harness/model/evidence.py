"""What was observed, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import msgspec

Interval = tuple[float, float]

_HAVE_A_PLACE = frozenset(
    {"message", "reason", "expected", "observed", "curl", "interval", "level", "method", "statistic", "superseded"}
    | {"cause", "pytest_words", "listed"}
)


class Outcome(StrEnum):
    """How one observation ended."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"
    FLAKY = "flaky"
    MEASURED = "measured"


Severity = Literal["trivial", "minor", "normal", "high", "critical"]
"""How bad a failure of a check is."""
SEVERITIES: tuple[Severity, ...] = ("trivial", "minor", "normal", "high", "critical")
USUAL_SEVERITY: Severity = "normal"
"""That of a line which says none: a driver's or an instrument's own."""

RED = frozenset({Outcome.FAIL, Outcome.ERROR})
"""Outcomes that no attempt may end with if its test is to pass."""
_WORST_FIRST = (Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY, Outcome.SKIP, Outcome.PASS)


class _Detailed:
    """What `detail` says, by its type. Suites write what they like there; a key that the harness reads is read here.

    A value of the wrong type counts as unsaid unless a property says otherwise: evidence is written by many, and a
    line that cannot be read in part is still a line.
    """

    __slots__ = ()

    outcome: Outcome
    detail: Mapping[str, Any]

    @property
    def message(self) -> str:
        """What the instrument saw, in words: an assertion's text, a reading in a sentence."""
        return self._words("message")

    @property
    def reason(self) -> str:
        """Why the line ended as it did, where that is not in what was seen: why skipped, repeated, or never asked."""
        return self._words("reason")

    @property
    def says(self) -> str:
        """The text to show where there is room for one: why a test was skipped, else what was seen; "" for neither."""
        first, second = self.message, self.reason
        if self.outcome is Outcome.SKIP:
            first, second = second, first
        return first if first.strip() else second if second.strip() else ""

    @property
    def attempt(self) -> int | None:
        """Which attempt of its test the line belongs to, from 1; None for a line that no test left."""
        attempt = self.detail.get("attempt")
        return attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else None

    @property
    def superseded(self) -> bool:
        """Whether another attempt of the same test was to follow, which rules in its place."""
        return self.detail.get("superseded") is True

    @property
    def statistic(self) -> str | None:
        """What a measured line's value is: `p99`, `error_rate`."""
        statistic = self.detail.get("statistic")
        return statistic if isinstance(statistic, str) else None

    @property
    def interval(self) -> Interval | None:
        """The interval of a measured line; None for one that is missing, unordered or not made of numbers."""
        written = self.detail.get("interval")
        if not isinstance(written, list | tuple) or len(written) != 2:
            return None
        low, high = map(_number, written)
        return (low, high) if low is not None and high is not None and low <= high else None

    def level_or(self, unsaid: float | None) -> object:
        """The level of the interval as it was written, a share where it is sound; `unsaid` where there is none."""
        return self.detail.get("level", unsaid)

    @property
    def method(self) -> str:
        """How the interval was made."""
        return self._words("method")

    @property
    def medians_ms(self) -> Mapping[str, float]:
        """The medians behind a ratio, by what was measured."""
        medians = self.detail.get("median_ms")
        if not isinstance(medians, Mapping):
            return {}
        return {name: value for name, each in medians.items() if (value := _number(each)) is not None}

    @property
    def expected(self) -> tuple[str, ...]:
        """What should have been seen, as lines of text."""
        return self._lines("expected")

    @property
    def observed(self) -> tuple[str, ...]:
        """What was seen instead, as lines of text."""
        return self._lines("observed")

    @property
    def curl(self) -> tuple[str, ...]:
        """Requests as commands that repeat them: the one that shows what was seen last, and those before it."""
        return self._lines("curl")

    @property
    def severity(self) -> Severity:
        """How bad a failure of the check is, as its suite says; `USUAL_SEVERITY` where it does not."""
        said = self._words("severity").lower()
        return next((word for word in SEVERITIES if word == said), USUAL_SEVERITY)

    @property
    def source(self) -> str:
        """Which standard or contract the check's rule is from."""
        return self._words("source")

    @property
    def seconds(self) -> float | None:
        """How long the check took."""
        seconds = _number(self.detail.get("seconds"))
        return seconds if seconds is not None and seconds >= 0 else None

    @property
    def waited_s(self) -> float:
        """For how many seconds the test waited for the machine's turn."""
        return _number(self.detail.get("waited_s")) or 0.0

    @property
    def title(self) -> str:
        """A readiness check's name for people."""
        return self._words("title")

    @property
    def why(self) -> str:
        """Why it matters when the check fails."""
        return self._words("why")

    @property
    def remedy(self) -> str:
        """What to do about a check that did not pass."""
        return self._words("remedy")

    @property
    def cause(self) -> str:
        """What the line has in common with those of other places: lines of one check with it are one finding."""
        return self._words("cause") or self.says

    @property
    def pytest_words(self) -> str:
        """pytest's account of the expression that did not hold."""
        return self._words("pytest_words")

    @property
    def listed(self) -> tuple[str, ...]:
        """What an instrument found in full, as lines of text."""
        return self._lines("listed")

    @property
    def counts(self) -> bool:
        """Whether the line counts towards a score; what a target does not have leaves it."""
        return self.detail.get("counts") is not False

    @property
    def rest(self) -> Mapping[str, Any]:
        """What the line tells beside that which every line has a place for."""
        return {key: value for key, value in self.detail.items() if key not in _HAVE_A_PLACE}

    def _words(self, key: str) -> str:
        return str(self.detail.get(key, ""))

    def _lines(self, key: str) -> tuple[str, ...]:
        """A detail as lines of text, whatever its shape: a text, a list of them, or an object as `name: value`."""
        match self.detail.get(key):
            case None | "":
                return ()
            case str() as text:
                return (text,)
            case list() | tuple() as items:
                return tuple(_text(item) for item in items)
            case Mapping() as fields:
                return tuple(f"{name}: {_text(item)}" for name, item in fields.items())
            case other:
                return (_text(other),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(_Detailed):
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


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a check measures, as its source declares it; a computed part is `*`."""

    check: str
    statistic: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(_Detailed):
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

    @property
    def attempt_of(self) -> tuple[object, ...]:
        """What the line is an attempt at: lines with the same value here replace each other, and the last one rules.

        A line without a test is an attempt at nothing else: it stands for itself.
        """
        if self.test is None:
            return (self.seq,)
        if self.outcome is Outcome.MEASURED:
            return (self.test, self.check, self.subject, self.statistic)
        return (self.test, self.check, self.subject)


def last_attempt(lines: Sequence[Evidence]) -> list[Evidence]:
    """Of lines that are attempts at the same thing, in their order, those of the last attempt.

    A test that passed and whose teardown failed left several.
    """
    last = lines[-1]
    return [
        line
        for line in lines
        if line is last
        or (last.attempt is not None and line.attempt == last.attempt and line.superseded == last.superseded)
    ]


def worst(lines: Iterable[Evidence]) -> Evidence:
    """The line whose outcome is that of an attempt which left all of them. Measured lines have no place here."""
    return min(lines, key=lambda line: _WORST_FIRST.index(line.outcome))


def _number(value: object) -> float | None:
    """A finite number; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode("utf-8", "replace")
