"""The words of `harness prove`: defects, what they expect, and what became of them (DESIGN 4.2, 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

Kind = Literal["patch", "wire", "gate"]
KINDS: tuple[Kind, ...] = ("patch", "wire", "gate")


class Fate(StrEnum):
    """What became of a defect."""

    KILLED = "killed"
    SURVIVED = "survived"
    MISATTRIBUTED = "misattributed"
    """Not GO, but for another reason: not detected."""
    NOT_EXERCISED = "not_exercised"
    """No request of the suites passed the changed place."""
    NOT_APPLIED = "not_applied"
    """Nothing was changed."""
    INCONCLUSIVE = "inconclusive"
    """A time-out, a crash, a stack that failed: never a kill."""


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
class Defect:
    """One seeded mistake of the catalogue."""

    id: str
    kind: Kind
    area: str
    title: str
    why: str
    """What a team did wrong, and why it is easy to do."""
    folder: Path
    expect: Expectation
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

    def came_to(self, fate: Fate, *, reason: str = "", seconds: float = 0.0) -> Result:
        """What became of it."""
        gate_end = f"exit {self.expect.exit}" if self.expect.exit is not None else ""
        return Result(
            id=self.id,
            kind=self.kind,
            area=self.area,
            fate=fate,
            expected=self.expect.criterion or gate_end,
            reason=reason,
            accepted=self.accepted,
            equivalent=self.equivalent,
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one defect."""

    id: str
    kind: Kind
    area: str
    fate: Fate
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
    """`wire`: the changed facet of one of them."""
    operations: tuple[str, ...] = ()
    """`wire`: at which operations the tests that failed had looked."""
    accepted: str = ""
    equivalent: str = ""
    seconds: float = 0.0

    @property
    def detected(self) -> bool:
        """Noticed, and for the right reason."""
        return self.fate is Fate.KILLED
