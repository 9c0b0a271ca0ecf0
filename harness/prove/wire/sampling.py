"""A random draw of wire mutants, operator by operation by facet, from what a healthy run exchanged; and their score."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from harness.prove.model import Defect, Expectation, Fate, Result, Where
from harness.prove.wire.choices import Args, choices, drawn_operators
from harness.prove.wire.equivalence import equivalent
from harness.prove.wire.facets import Sample
from harness.prove.wire.mutant import mutation_for
from harness.prove.wire.operations import content_type
from harness.prove.wire.operators import METHODS, OPERATORS, facet_of
from harness.stats import clopper_pearson

_MANY_EXCHANGES = frozenset({"anothers-answer", "freeze-header", "ignore-conditional", "let-through", "stale"})
"""Operators that change an exchange because of others: one alone does not show what they do."""
_TRIED = (Fate.KILLED, Fate.SURVIVED, Fate.MISATTRIBUTED)

_Pool = dict[str, dict[str, list[tuple[Sample, Args]]]]
"""Operator -> operation -> what may be drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Which share of the drawn mutants is noticed, with its interval at 95 % (Clopper & Pearson 1934)."""

    killed: int
    tried: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share itself."""
        return self.killed / self.tried


def draw(seed: int, n: int, samples: Iterable[Sample]) -> tuple[Defect, ...]:
    """`n` different mutants, fewer only where there are no more; the same for the same seed and samples.

    The operator is drawn first, then one of the operations that it can change, then the facet: else operators that
    fit everywhere, and operations with many fields, would be nearly all there is. Equivalent mutants are marked.
    """
    chance = Random(seed)  # noqa: S311 - to be repeated, no secret
    # a test may ask with a method of its own making, which no defect can name
    pool = _pool(one for one in samples if one.operation.partition(" ")[0] in METHODS)
    drawn: dict[str, Defect] = {}
    while len(drawn) < n and pool:
        operator = chance.choice(sorted(pool))
        operation = chance.choice(sorted(pool[operator]))
        left = pool[operator][operation]
        sample, args = left.pop(chance.randrange(len(left)))
        if not left:
            del pool[operator][operation]
        if not pool[operator]:
            del pool[operator]
        defect = _defect(seed, operator, sample, args, drawn)
        if operator in _MANY_EXCHANGES or _applies(defect, sample, seed):
            reason = equivalent(defect, (sample.request, sample.answer), seed)
            drawn[defect.id] = replace(defect, equivalent=reason)
    return tuple(drawn.values())


def score(results: Iterable[Result]) -> Score | None:
    """The score of drawn mutants: killed ones among those killed, survived and misattributed, equivalent ones left
    out; None if there are none. What was not exercised, not applied or inconclusive says nothing of the suites.
    """
    tried = [result for result in results if result.fate in _TRIED and not result.equivalent]
    if not tried:
        return None
    killed = sum(result.detected for result in tried)
    low, high = clopper_pearson(killed, len(tried))
    return Score(killed=killed, tried=len(tried), low=low, high=high)


def _pool(samples: Iterable[Sample]) -> _Pool:
    ordered = sorted(samples, key=lambda one: (one.operation, one.answer.status, content_type(one.answer)))
    pool: _Pool = {}
    for operator in drawn_operators():
        for sample in ordered:
            found = choices(operator, sample)
            if found:
                pool.setdefault(operator, {}).setdefault(sample.operation, []).extend((sample, args) for args in found)
    return pool


def _defect(seed: int, operator: str, sample: Sample, args: Args, drawn: Mapping[str, Defect]) -> Defect:
    asks = OPERATORS[operator].asks
    where = Where(
        operation=glob.escape(sample.operation),
        status="*" if asks else str(sample.answer.status),
        content_type="*" if asks else glob.escape(content_type(sample.answer)) or "*",
    )
    defect = Defect(
        id="",
        kind="wire",
        area="draw",
        title=OPERATORS[operator].does,
        why=f"Drawn by seed {seed}.",
        folder=Path(f"draw-{seed}"),
        expect=Expectation(),
        operator=operator,
        where=where,
        args=args,
    )
    facet = facet_of(defect)
    name = f"draw-{seed}-{operator}-{_slug(sample.operation)}-{_slug(facet.removeprefix('header '))}"
    name, number = name if name not in drawn else f"{name}-{sample.answer.status}", 2
    unique = name
    while unique in drawn:
        unique, number = f"{name}-{number}", number + 1
    return replace(defect, id=unique, title=f"{sample.operation}, {facet}: {defect.title}")


def _applies(defect: Defect, sample: Sample, seed: int) -> bool:
    mutation = mutation_for(defect, seed)
    return mutation.delay_s(0.0) > 0 or mutation.answer(sample.request, sample.answer) is not None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
