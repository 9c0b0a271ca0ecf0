"""The words of `harness prove`: a proof's plan, its defects, what they expect, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import HarnessError
from harness.model import DefectKind, FacetState, MutantStatus, Policy, Target
from harness.stats import clopper_pearson_lower


class NoVerdictError(HarnessError):
    """A trial ended without a verdict, or not in time: nothing is known of the defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which exchanges a wire mutant changes; each is a glob, and `*` means all."""

    operation: str = "*"
    """Method and path, `GET /api/deals/{deal_id}` as the OpenAPI document writes it, or `GET /api/deals/1`."""
    status: str = "*"
    """`404`, or a class such as `4xx`."""
    content_type: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must come out if the defect is noticed."""

    criterion: str = ""
    status: str = "fail"
    check: str = ""
    """The check whose tests must fail; "" for any that the criterion selects."""
    exit: int | None = None
    """`gate` only: how the gate ends."""
    says: str = ""
    """`gate` only: a piece of the criterion's reason, or of the error line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDefect:
    """A `defect.toml`."""

    id: str
    kind: DefectKind
    area: str
    title: str
    why: str
    """What a team did wrong, and why it is easy to do."""
    expect: Expectation
    policy: str = ""
    """The policy that has the expected criterion, where `quick` has none; before another the defect is left out."""
    patch: str = ""
    """`patch`: name of the unified diff in the folder."""
    operator: str = ""
    """`wire`: what is done to the exchange."""
    where: Where = field(default_factory=Where)
    args: Mapping[str, Any] = field(default_factory=dict)
    lie: str = ""
    """`gate`: which lie is told to it."""
    accepted: str = ""
    """Why a wire mutant may survive."""
    equivalent: str = ""
    """Why it changes nothing that a client could care about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect(WrittenDefect):
    """One seeded mistake of the catalogue."""

    folder: Path
    """Where its files lie."""

    def came_to(self, status: MutantStatus, *, reason: str = "", seconds: float = 0.0) -> Result:
        """What became of it."""
        gate_end = f"exit {self.expect.exit}" if self.expect.exit is not None else ""
        return Result(
            id=self.id,
            kind=self.kind,
            area=self.area,
            status=status,
            expected=self.expect.criterion or gate_end,
            reason=reason,
            accepted=self.accepted,
            equivalent=self.equivalent,
            seconds=seconds,
        )


class Result(msgspec.Struct, frozen=True, kw_only=True, rename={"status": "fate"}):
    """What became of one defect; a line of `results.jsonl`, where the status is called `fate`."""

    id: str
    kind: DefectKind
    area: str
    status: MutantStatus
    expected: str
    """The expected criterion; for `gate` without one, the expected exit."""
    failed: tuple[str, ...] = ()
    """Criteria that failed."""
    checks: tuple[str, ...] = ()
    """Checks that failed: the columns of the detection matrix."""
    reason: str = ""
    """In words, what was seen."""
    applied: int | None = None
    """`wire`: how many exchanges were changed."""
    before: str = ""
    after: str = ""
    """`wire`: the changed facet of one of them. `source`: the changed lines."""
    operations: tuple[str, ...] = ()
    """`wire`: at which operations the tests that failed had looked."""
    accepted: str = ""
    equivalent: str = ""
    seconds: float = 0.0

    @property
    def detected(self) -> bool:
        """Noticed, and for the right reason."""
        return self.status is MutantStatus.KILLED


OnResult = Callable[[Result], None]
"""Called with each result as it comes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthyRuns:
    """Runs of the healthy service, and what they raised for nothing."""

    runs: int
    alarms: tuple[str, ...] = ()
    """One line for each run that was not GO."""
    broken: tuple[str, ...] = ()
    """One line for each that came to no verdict."""

    @property
    def upper95(self) -> float | None:
        """One-sided 95 % upper bound of the false-alarm rate (Clopper-Pearson); None if there was no run."""
        return 1 - clopper_pearson_lower(self.runs - len(self.alarms), self.runs) if self.runs else None

    def joined(self, other: HealthyRuns) -> HealthyRuns:
        """Both together."""
        return HealthyRuns(
            runs=self.runs + other.runs, alarms=(*self.alarms, *other.alarms), broken=(*self.broken, *other.broken)
        )


NO_RUNS = HealthyRuns(runs=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetCoverage:
    """One facet of one operation, and what became of the mutants of it."""

    operation: str
    facet: str
    state: FacetState
    killed: tuple[str, ...] = ()
    survived: tuple[str, ...] = ()
    """Ids of mutants; a guarded facet may have some of these too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """All that a proof needs to know, checked before anything starts."""

    target: Target
    overrides: Mapping[str, str]
    policy: Policy
    suites: tuple[str, ...]
    narrowed: str
    """The words that left suites out."""
    defects: tuple[Defect, ...]
    catalogue: Path
    control: Path | None
    """A patch that changes nothing that runs, such as a comment."""
    healthy: int
    jobs: int
    full: bool
    resume: bool
    out: Path
    url: str = ""
    """A service that somebody else runs: wire mutants alone."""
    active: bool = False
    wire: bool = False
    """Whether the wire is tried at all."""
    source: bool = False
    """Whether mutants of the sources are drawn."""
    draw: int = 0
    """Mutants drawn at random, of the wire and of the sources each."""
    changed: frozenset[str] | None = None
    """The files of the service that source mutants are drawn in; None for all."""
    seed: int = 0
    asked: str = ""
    """The words of the command line that narrowed it; "" for the whole catalogue."""
