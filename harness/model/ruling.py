"""What is demanded, what is ruled, and over which record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal

from harness.model.evidence import Evidence, Interval, Severity
from harness.model.target import Weight
from harness.model.watch import WatchRules


class Status(StrEnum):
    """How one criterion was ruled."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"
    WAIVED = "waived"
    NOT_APPLICABLE = "not_applicable"


class Decision(StrEnum):
    """All rulings of a run in one word."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """Which evidence a criterion looks at: glob patterns over check ids, a suite's name, a glob over the subject.

    None for suite or subject means all of them, and no severities all of these.
    """

    checks: tuple[str, ...]
    suite: str | None = None
    subject: str | None = None
    severities: tuple[Severity, ...] = ()
    rest: bool = False
    """Whether it looks only at what no other criterion of the policy looks at."""

    def matches(self, line: Evidence) -> bool:
        """Whether a criterion with this selection looks at the line."""
        return (
            (self.suite is None or line.suite == self.suite)
            and (self.subject is None or fnmatchcase(line.subject, self.subject))
            and any(fnmatchcase(line.check, pattern) for pattern in self.checks)
            and (not self.severities or line.severity in self.severities)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A demand over numbers: every interval of `stat` must wholly meet `op value` in the same `unit`."""

    stat: str
    op: Literal["<", "<=", ">", ">=", "=="]
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A line of a policy. `demand` is a threshold, or None for "all pass"."""

    id: str
    area: str
    select: Select
    demand: Threshold | None = None
    requires: str = ""
    """What is demanded, in words for a release manager."""
    required: bool = True
    weight: Weight = 1.0
    min_n: int = 1
    needs: str | None = None
    target: str | None = None
    allow_skip: tuple[str, ...] = ()
    waivable: bool = True
    budget: int | None = None
    """As many checks may fail, on however many subjects; what failed is a list of things to do. None: none may."""
    unlock: str = ""
    """What to add to the profile so that there is something to look at; until then nothing is demanded."""
    source: str = ""
    """File and line where it is written, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Somebody's signed word that a criterion need not hold until `expires` (an ISO date)."""

    criterion: str
    owner: str
    reason: str
    expires: str
    target: str | None = None
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a release demands."""

    name: str
    criteria: tuple[Criterion, ...]
    max_flaky: int = 0
    retries: int = 0
    clean_build: bool = False
    backup_max_age_h: float | None = None
    """Hours after which a backup is too old; None where the policy does not say."""
    watch: WatchRules | None = None
    """What `harness watch` holds a service to; None where the policy does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A criterion applied to the evidence of a run, with the value used beside the threshold."""

    id: str
    area: str
    requires: str
    status: Status
    measured: str
    threshold: str
    interval: Interval | None
    n: int
    evidence: tuple[int, ...]
    reason: str
    first: int | None = None
    """The line of evidence that `reason` quotes; None where it quotes none."""
    required: bool = True
    weight: float = 1.0
    waiver: Waiver | None = None
    unlock: str = ""
    """What to add to the profile, where that alone keeps the criterion from being proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which build of the target was judged."""

    kind: Literal["commit", "image", "reported", "unknown"]
    id: str
    dirty: bool = False


UNKNOWN_BUILD = Build(kind="unknown", id="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What a reader of the run's files found; `problems` is empty for a run that is whole
    (docs/run-folder.md#verdictjson)."""

    state: Literal["running", "finished", "interrupted"]
    problems: tuple[str, ...]
    evidence_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that the judge is told of a run beside policy and waivers."""

    run: str
    target: str
    build: Build
    end: str | None
    """UTC time at which the run ended (ISO 8601); the judge's only clock."""
    collected: tuple[str, ...]
    """Node ids of all tests that were collected."""
    narrowed: str = ""
    """The words of `--only` or `--without` where they narrowed the run; at best INCONCLUSIVE then."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """What the sealed profile says the target does not have, with the reason."""
    integrity: Integrity
    evidence: tuple[Evidence, ...]


class HoldBackKind(StrEnum):
    """What keeps a run from a better verdict, beside its criteria."""

    INTEGRITY = "integrity"
    """The run's files are not whole, or not of one run that ended."""
    NOTHING_PASSED = "nothing_passed"
    NOTHING_REQUIRED = "nothing_required"
    """The policy demands nothing of the target."""
    NARROWED = "narrowed"
    """A part of the run was left out by hand."""
    BUILD_UNKNOWN = "build_unknown"
    BUILD_DIRTY = "build_dirty"
    COLLECTION_ERROR = "collection_error"
    """A file of tests could not be read."""
    UNCLAIMED_FAILURE = "unclaimed_failure"
    """Something failed, and no criterion looks at it."""
    LOST_ATTEMPT = "lost_attempt"
    """A failed test was to be repeated, and the repetition left no line."""
    MISSING_LINE = "missing_line"
    """A test was collected and left no evidence."""
    UNSTATED = "unstated"
    """Read back from a `verdict.json`, which keeps the words alone."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """One thing that keeps a run from a better verdict, beside its criteria."""

    kind: HoldBackKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDo:
    """A check that failed within a budget: where, and what to do about it."""

    check: str
    severity: Severity
    subjects: tuple[str, ...]
    message: str
    """What the first of its lines says."""
    remedy: str
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The ruling over a whole run; `verdict.json` is written from it and read into it."""

    schema: int
    run: str
    target: str
    policy: str
    verdict: Decision
    score: float
    build: Build
    criteria: tuple[Ruling, ...]
    held_back: tuple[HeldBack, ...]
    evidence_sha256: str
    todo: tuple[ToDo, ...] = ()
    """What failed within a budget."""

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to add to the profile, the step that proves most first."""
        weights: dict[str, float] = {}
        for ruling in self.criteria:
            if ruling.unlock:
                weights[ruling.unlock] = weights.get(ruling.unlock, 0.0) + ruling.weight
        return tuple(sorted(weights, key=lambda step: -weights[step]))
