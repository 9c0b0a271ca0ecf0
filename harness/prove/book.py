"""What is to be proven, and the results as they come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.model import Policy, Target
from harness.prove.model import Defect, Kind, Result
from harness.prove.results import ProofFolder, digest_of
from harness.stack.build import fingerprint

Told = Callable[[Result], None]
"""Hears of each result as it comes in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPlan:
    """All that a proof needs to know, checked before anything starts."""

    target: Target
    overrides: Mapping[str, str]
    policy: Policy
    suites: tuple[str, ...]
    narrowed: str
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
    draw: int = 0
    """Wire mutants drawn at random."""
    seed: int = 0
    asked: str = ""
    """The words of the command line that narrowed it; "" for the whole catalogue."""


class Book:
    """Which defects are left to try, and what became of the others; a resumed proof tries none of them again."""

    def __init__(self, plan: ProofPlan, folder: ProofFolder, told: Told) -> None:
        self.folder = folder
        self._plan = plan
        self._told = told
        ground = plan.url or fingerprint(plan.target)
        self._digests = {one.id: digest_of(one, ground) for one in plan.defects}
        self._results = folder.kept(self._digests) if plan.resume else {}
        for result in self._results.values():
            told(result)

    def left(self, kind: Kind) -> tuple[Defect, ...]:
        """Defects of that kind without a result."""
        return tuple(one for one in self._plan.defects if one.kind == kind and one.id not in self._results)

    def hear(self, result: Result) -> None:
        """Keep a result and tell of it."""
        self.folder.keep(result, self._digests[result.id])
        self._results[result.id] = result
        self._told(result)

    def in_order(self, kind: Kind | None = None) -> tuple[Result, ...]:
        """All results, in the catalogue's order; with a `kind`, those of it."""
        found = (self._results[one.id] for one in self._plan.defects if one.id in self._results)
        return tuple(one for one in found if kind in (None, one.kind))
