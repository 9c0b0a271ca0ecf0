"""What a checker says of a history: anomalies, and how often each rule had something to judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Validity(StrEnum):
    """Whether a history is as it should be; the worst first."""

    FALSE = "false"
    UNKNOWN = "unknown"
    TRUE = "true"


def merged(validities: Iterable[Validity]) -> Validity:
    """False over unknown over true, as Jepsen merges (`checker.clj`). Unlike there, nothing to merge is unknown."""
    return min(validities, key=list(Validity).index, default=Validity.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that should not have happened, or, among the notes, one that looks so and is explained."""

    kind: StrEnum
    at: float
    """Seconds, on the clock of the history."""
    what: str
    rows: tuple[object, ...]
    """The rows of the history that show it, oldest first; none where the anomaly is that there is none."""


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule has to say."""

    kind: StrEnum
    cases: int
    """How often the rule had something to judge."""
    anomalies: tuple[Anomaly, ...]
    notes: tuple[Anomaly, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a checker says of a whole history. Equal for equal histories, in whatever order their rows came."""

    anomalies: tuple[Anomaly, ...]
    notes: tuple[Anomaly, ...] = ()
    cases: Mapping[StrEnum, int]
    """Every kind that the checker looks for -> how often it had something to judge."""

    @property
    def considered(self) -> int:
        """How many judgements were made in all."""
        return sum(self.cases.values())

    @property
    def validity(self) -> Validity:
        """False with an anomaly, unknown if nothing was considered, else true. Kinds without a case do not count."""
        if self.anomalies:
            return Validity.FALSE
        return Validity.TRUE if self.considered else Validity.UNKNOWN

    def validity_of(self, *kinds: StrEnum) -> Validity:
        """The same for some kinds, each of which needs a case of its own. `KeyError`: another checker's kind."""
        broken = {anomaly.kind for anomaly in self.anomalies}
        return merged(
            Validity.FALSE if kind in broken else Validity.TRUE if self.cases[kind] else Validity.UNKNOWN
            for kind in kinds
        )


def checked(findings: Iterable[RuleResult]) -> Checked:
    """The findings of all rules as one result, in order of time."""
    found = tuple(findings)
    return Checked(
        anomalies=_in_order(anomaly for one in found for anomaly in one.anomalies),
        notes=_in_order(note for one in found for note in one.notes),
        cases={one.kind: one.cases for one in found},
    )


def _in_order(anomalies: Iterable[Anomaly]) -> tuple[Anomaly, ...]:
    return tuple(sorted(anomalies, key=lambda one: (one.at, one.kind, one.what, repr(one.rows))))
