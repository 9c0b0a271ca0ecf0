"""Second stage: one criterion over what it selected. Each table of docs/policy.md is one function, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from harness.judge.select import FinalOutcome
from harness.judge.wording import counts, demanded, first_few, named, with_unit
from harness.machine.foreign_text import clipped
from harness.model import Criterion, Evidence, Interval, Outcome, Ruling, Status, Threshold
from harness.model.quoting import one_line, quotation

# every interval here is of 95 % or surer; one of 50 % is narrow enough to meet any limit
_LEAST_LEVEL = 0.95
_MANY = 12
_SHOWN = 1500
"""Characters of what a criterion selects."""


class ThresholdComparison(Enum):
    """All of an interval on one side of the threshold, or not."""

    MEETS = "meets"
    STRADDLES = "straddles"
    MISSES = "misses"


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a table says. `first` is the line that the reason quotes."""

    status: Status
    reason: str
    first: int | None = None
    measured: str = ""
    interval: Interval | None = None
    n: int | None = None


def rule(
    criterion: Criterion, selected: Sequence[FinalOutcome], *, absent: Mapping[str, str], max_flaky: int
) -> Ruling:
    """Apply a criterion to what it selected. `absent` is what the sealed profile says the target does not have."""
    lines = selected if criterion.demand is None else _of_statistic(selected, criterion.demand)
    if criterion.needs is not None and criterion.needs in absent:
        finding = _absent(criterion.needs, absent[criterion.needs], selected)
    elif criterion.demand is None:
        finding = _over_outcomes(criterion, lines, max_flaky)
    else:
        finding = _over_numbers(criterion, criterion.demand, lines, max_flaky)
    locked = bool(criterion.unlock) and finding.status is Status.NOT_RUN
    return ruling(
        criterion,
        Status.NOT_APPLICABLE if locked else finding.status,
        finding.reason,
        first=finding.first,
        unlock=criterion.unlock if locked else "",
        measured=finding.measured or counts(lines),
        interval=finding.interval,
        n=len(lines) if finding.n is None else finding.n,
        evidence=tuple(sorted(seq for one in lines for seq in one.seqs)),
    )


def ruling(
    criterion: Criterion,
    status: Status,
    reason: str,
    *,
    first: int | None = None,
    measured: str = "nothing",
    interval: Interval | None = None,
    n: int = 0,
    evidence: tuple[int, ...] = (),
    unlock: str = "",
) -> Ruling:
    """A ruling on the criterion, with its words and its weight."""
    return Ruling(
        id=criterion.id,
        area=criterion.area,
        requires=criterion.requires,
        status=status,
        measured=measured,
        threshold=demanded(criterion.demand, criterion.budget),
        interval=interval,
        n=n,
        evidence=evidence,
        reason=reason,
        first=first,
        required=criterion.required,
        weight=criterion.weight,
        unlock=unlock,
    )


def compare(interval: Interval, demand: Threshold) -> ThresholdComparison:
    """Does the whole interval meet the demand, none of it, or a part?"""
    low, high = interval
    limit = demand.value
    match demand.op:
        case "<=":
            meets, misses = high <= limit, low > limit
        case "<":
            meets, misses = high < limit, low >= limit
        case ">=":
            meets, misses = low >= limit, high < limit
        case ">":
            meets, misses = low > limit, high <= limit
        case "==":
            meets, misses = low == high == limit, limit < low or high < limit
        case _:
            raise ValueError(f"no such comparison: {demand.op!r}")
    if meets:
        return ThresholdComparison.MEETS
    return ThresholdComparison.MISSES if misses else ThresholdComparison.STRADDLES


def _excess(interval: Interval, demand: Threshold) -> float:
    """How far the interval's worse end lies on the wrong side; of several intervals the largest is the worst."""
    low, high = interval
    match demand.op:
        case "<=" | "<":
            return high - demand.value
        case ">=" | ">":
            return demand.value - low
    return max(high - demand.value, demand.value - low)


def _absent(word: str, reason: str, selected: Sequence[FinalOutcome]) -> _Finding:
    present = _having(selected, set(Outcome) - {Outcome.SKIP})
    if present:
        words = f"the profile says that there is no {word}, and evidence shows it"
        return _because(Status.INCONCLUSIVE, words, present)
    return _Finding(Status.NOT_APPLICABLE, f"the target has no {word}: {one_line(reason)}")


def _over_outcomes(criterion: Criterion, lines: Sequence[FinalOutcome], max_flaky: int) -> _Finding:
    if criterion.budget is not None:
        return _over_budget(criterion, criterion.budget, lines)
    if finding := _red_or_flaky(lines, max_flaky):
        return finding
    skips = _having(lines, {Outcome.SKIP})
    if finding := _all_or_wrongly_skipped(criterion, lines, skips):
        return finding
    passes = _having(lines, {Outcome.PASS})
    if not passes:
        return _Finding(Status.INCONCLUSIVE, f"nothing passed outright: {counts(lines)}")
    seen = sum(one.line.n for one in passes)
    if seen < criterion.min_n:
        return _Finding(Status.INCONCLUSIVE, f"{seen} observed, at least {criterion.min_n} are needed")
    return _Finding(Status.PASS, f"all {len(passes)} passed" + (f", {len(skips)} skips allowed" if skips else ""))


def _over_budget(criterion: Criterion, budget: int, lines: Sequence[FinalOutcome]) -> _Finding:
    """Checks are counted, not their subjects: one header that is missing is one thing to do, on however many pages."""
    if not any(one.outcome is not Outcome.SKIP for one in lines):
        return _Finding(Status.NOT_RUN, _nothing(criterion))
    failed: dict[str, int] = {}
    for one in _having(lines, {Outcome.FAIL}):
        failed[one.line.check] = failed.get(one.line.check, 0) + 1
    shown = first_few([f"{check} ({count})" for check, count in failed.items()], _MANY)
    words = f"{len(failed)} checks failed, {budget} may" + (f": {shown}" if shown else "")
    return _Finding(Status.FAIL if len(failed) > budget else Status.PASS, words)


def _all_or_wrongly_skipped(
    criterion: Criterion, lines: Sequence[FinalOutcome], skips: Sequence[FinalOutcome]
) -> _Finding | None:
    if not lines:
        return _Finding(Status.NOT_RUN, _nothing(criterion))
    if len(skips) == len(lines):
        return _because(Status.NOT_RUN, "only skipped", skips)
    intolerable = [one for one in skips if not _tolerated(one.line, criterion.allow_skip)]
    if intolerable:
        return _because(Status.INCONCLUSIVE, f"{len(intolerable)} skipped", intolerable)
    return None


def _over_numbers(criterion: Criterion, demand: Threshold, lines: Sequence[FinalOutcome], max_flaky: int) -> _Finding:
    if finding := _red_or_flaky(lines, max_flaky):
        return finding
    found: list[tuple[FinalOutcome, Interval]] = []
    for one in _having(lines, {Outcome.MEASURED}):
        interval = _usable(one.line, demand, criterion.min_n)
        if isinstance(interval, str):
            words = f"{named([one])}: {interval}"
            return _Finding(Status.INCONCLUSIVE, words, measured=_shown(one.line, demand), n=one.line.n)
        found.append((one, interval))
    if not found:
        return _Finding(Status.NOT_RUN, f"no sample of {demand.stat}: {_nothing(criterion)}")
    for comparison, status, words in (
        (
            ThresholdComparison.STRADDLES,
            Status.INCONCLUSIVE,
            "the interval holds values on both sides of the threshold",
        ),
        (ThresholdComparison.MISSES, Status.FAIL, "the whole interval misses the threshold"),
    ):
        those = [pair for pair in found if compare(pair[1], demand) is comparison]
        if those:
            return _numeric(status, words, those, demand)
    words = (
        f"all {len(found)} intervals meet the threshold; nearest to it" if len(found) > 1 else "the interval meets it"
    )
    return _numeric(Status.PASS, words, found, demand)


def _red_or_flaky(lines: Sequence[FinalOutcome], max_flaky: int) -> _Finding | None:
    """The rows that both tables share."""
    fails = _having(lines, {Outcome.FAIL})
    if fails:
        return _because(Status.FAIL, f"{len(fails)} of {len(lines)} failed", fails)
    errors = _having(lines, {Outcome.ERROR})
    if errors:
        return _because(Status.INCONCLUSIVE, f"{len(errors)} could not be told", errors)
    flaky = _having(lines, {Outcome.FLAKY})
    if len(flaky) > max_flaky:
        return _because(Status.INCONCLUSIVE, f"{len(flaky)} flaky, {max_flaky} tolerated", flaky)
    return None


def _because(status: Status, words: str, lines: Sequence[FinalOutcome]) -> _Finding:
    """`words`: which observations, and what the first of them says."""
    first = lines[0].line
    quoted = quotation(first)
    return _Finding(status, f"{words}: {named(lines)}{quoted}", first.seq if quoted else None)


def _usable(line: Evidence, demand: Threshold, min_n: int) -> Interval | str:
    """The interval of a measured line, or why its number cannot be used."""
    interval = line.interval
    if interval is None:
        return "it carries no interval"
    if line.unit != demand.unit:
        return f"it is in {line.unit or 'no unit'!r}, the threshold in {demand.unit or 'no unit'!r}"
    if line.n < min_n:
        return f"{line.n} samples, at least {min_n} are needed"
    if line.value is None or not math.isfinite(line.value):
        return "it carries no value"
    if not interval[0] <= line.value <= interval[1]:
        return "its value lies outside of its own interval"
    level = line.level_or(_LEAST_LEVEL)
    if not _is_sure(level):
        return f"its interval is of level {level}, at least {_LEAST_LEVEL:g} is needed"
    return interval


def _is_sure(level: object) -> bool:
    """Whether an interval of that level is sure enough. A share: 95 is not 95 %."""
    return isinstance(level, int | float) and not isinstance(level, bool) and _LEAST_LEVEL <= level <= 1


def _numeric(status: Status, words: str, found: Sequence[tuple[FinalOutcome, Interval]], demand: Threshold) -> _Finding:
    """The finding with the worst of the lines as its number."""
    one, interval = max(found, key=lambda pair: _excess(pair[1], demand))
    measured = _shown(one.line, demand)
    return _Finding(status, f"{words}: {named([one])}", measured=measured, interval=interval, n=one.line.n)


def _shown(line: Evidence, demand: Threshold) -> str:
    value = "no value" if line.value is None else with_unit(line.value, line.unit)
    ends = f" [{line.interval[0]:.6g}, {line.interval[1]:.6g}]" if line.interval is not None else ""
    return f"{demand.stat} {value}{ends} ({one_line(line.subject, 100)})"


def _of_statistic(selected: Sequence[FinalOutcome], demand: Threshold) -> tuple[FinalOutcome, ...]:
    """What a threshold is ruled on: its own statistic, and whatever went wrong on the way to it."""
    return tuple(
        one
        for one in selected
        if one.outcome in {Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY}
        or (one.outcome is Outcome.MEASURED and one.line.statistic == demand.stat)
    )


def _having(lines: Iterable[FinalOutcome], outcomes: set[Outcome]) -> list[FinalOutcome]:
    return [one for one in lines if one.outcome in outcomes]


def _tolerated(line: Evidence, globs: Sequence[str]) -> bool:
    allowed = any(fnmatchcase(line.reason, glob) for glob in globs if not glob.startswith("!"))
    return allowed and not any(fnmatchcase(line.reason, glob[1:]) for glob in globs if glob.startswith("!"))


def _nothing(criterion: Criterion) -> str:
    wanted = criterion.select
    subject = f" on {wanted.subject}" if wanted.subject else ""
    suite = f" in suite {wanted.suite}" if wanted.suite else ""
    return clipped(f"no evidence of {', '.join(wanted.checks)}{subject}{suite}", _SHOWN) + " in this run"
