"""Second stage: one criterion over what it selected. Each table of DESIGN 4.7 is one function, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.judge.interval import LEAST_LEVEL, Interval, Stand, excess, interval_of, is_sure, stand
from harness.judge.select import Settled
from harness.judge.wording import because, counts, demanded, named, one_line, with_unit
from harness.model import Criterion, Outcome, Ruling, Status, Threshold


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a table says."""

    status: Status
    reason: str
    measured: str = ""
    interval: Interval | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class _Measured:
    """A measured line of the demanded statistic; `flaw` says why its number cannot be used."""

    settled: Settled
    interval: Interval | None
    flaw: str = ""


def rule(criterion: Criterion, selected: Sequence[Settled], *, absent: Mapping[str, str], max_flaky: int) -> Ruling:
    """Apply a criterion to what it selected. `absent` is what the sealed profile says the target does not have."""
    lines = selected if criterion.demand is None else _of_statistic(selected, criterion.demand)
    if criterion.needs is not None and criterion.needs in absent:
        finding = _absent(criterion.needs, absent[criterion.needs], selected)
    elif criterion.demand is None:
        finding = _over_outcomes(criterion, lines, max_flaky)
    else:
        finding = _over_numbers(criterion, criterion.demand, lines, max_flaky)
    return ruling(
        criterion,
        finding.status,
        finding.reason,
        measured=finding.measured or counts(lines),
        interval=finding.interval,
        n=len(lines) if finding.n is None else finding.n,
        evidence=tuple(sorted(seq for settled in lines for seq in settled.seqs)),
    )


def ruling(
    criterion: Criterion,
    status: Status,
    reason: str,
    *,
    measured: str = "nothing",
    interval: Interval | None = None,
    n: int = 0,
    evidence: tuple[int, ...] = (),
) -> Ruling:
    """A ruling on the criterion, with its words and its weight."""
    return Ruling(
        id=criterion.id,
        area=criterion.area,
        requires=criterion.requires,
        status=status,
        measured=measured,
        threshold=demanded(criterion.demand),
        interval=interval,
        n=n,
        evidence=evidence,
        reason=reason,
        required=criterion.required,
        weight=criterion.weight,
    )


def _absent(word: str, reason: str, selected: Sequence[Settled]) -> _Finding:
    present = _having(selected, set(Outcome) - {Outcome.SKIP})
    if present:
        words = f"the profile says that there is no {word}, and evidence shows it"
        return _Finding(Status.INCONCLUSIVE, because(words, present))
    return _Finding(Status.NOT_APPLICABLE, f"the target has no {word}: {one_line(reason)}")


def _over_outcomes(criterion: Criterion, lines: Sequence[Settled], max_flaky: int) -> _Finding:
    if finding := _red_or_flaky(lines, max_flaky):
        return finding
    skips = _having(lines, {Outcome.SKIP})
    if len(skips) == len(lines):
        return _Finding(Status.NOT_RUN, because("only skipped", skips) if skips else _nothing(criterion))
    intolerable = [one for one in skips if not _tolerated(one, criterion.allow_skip)]
    if intolerable:
        return _Finding(Status.INCONCLUSIVE, because(f"{len(intolerable)} skipped", intolerable))
    passes = _having(lines, {Outcome.PASS})
    if not passes:
        return _Finding(Status.INCONCLUSIVE, f"nothing passed outright: {counts(lines)}")
    seen = sum(one.line.n for one in passes)
    if seen < criterion.min_n:
        return _Finding(Status.INCONCLUSIVE, f"{seen} observed, at least {criterion.min_n} are needed")
    return _Finding(Status.PASS, f"all {len(passes)} passed" + (f", {len(skips)} skips allowed" if skips else ""))


def _over_numbers(criterion: Criterion, demand: Threshold, lines: Sequence[Settled], max_flaky: int) -> _Finding:
    if finding := _red_or_flaky(lines, max_flaky):
        return finding
    readings = [_reading(one, demand, criterion.min_n) for one in _having(lines, {Outcome.MEASURED})]
    flawed = [reading for reading in readings if reading.flaw]
    if flawed:
        settled = flawed[0].settled
        reason = f"{named([settled])}: {flawed[0].flaw}"
        return _Finding(Status.INCONCLUSIVE, reason, _shown(settled, flawed[0].interval, demand), n=settled.line.n)
    whole = [(reading.settled, reading.interval) for reading in readings if reading.interval is not None]
    if not whole:
        return _Finding(Status.NOT_RUN, f"no sample of {demand.stat}: {_nothing(criterion)}")
    for position, status, words in (
        (Stand.STRADDLES, Status.INCONCLUSIVE, "the interval holds values on both sides of the threshold"),
        (Stand.MISSES, Status.FAIL, "the whole interval misses the threshold"),
    ):
        found = [(settled, interval) for settled, interval in whole if stand(interval, demand) is position]
        if found:
            return _numeric(status, words, found, demand)
    words = (
        f"all {len(whole)} intervals meet the threshold; nearest to it" if len(whole) > 1 else "the interval meets it"
    )
    return _numeric(Status.PASS, words, whole, demand)


def _red_or_flaky(lines: Sequence[Settled], max_flaky: int) -> _Finding | None:
    """The rows that both tables share."""
    fails = _having(lines, {Outcome.FAIL})
    if fails:
        return _Finding(Status.FAIL, because(f"{len(fails)} of {len(lines)} failed", fails))
    errors = _having(lines, {Outcome.ERROR})
    if errors:
        return _Finding(Status.INCONCLUSIVE, because(f"{len(errors)} could not be told", errors))
    flaky = _having(lines, {Outcome.FLAKY})
    if len(flaky) > max_flaky:
        words = f"{len(flaky)} flaky, {max_flaky} tolerated"
        return _Finding(Status.INCONCLUSIVE, because(words, flaky))
    return None


def _reading(settled: Settled, demand: Threshold, min_n: int) -> _Measured:
    line = settled.line
    interval = interval_of(line.detail)
    flaw = ""
    if interval is None:
        flaw = "it carries no interval"
    elif line.unit != demand.unit:
        flaw = f"it is in {line.unit or 'no unit'!r}, the threshold in {demand.unit or 'no unit'!r}"
    elif line.n < min_n:
        flaw = f"{line.n} samples, at least {min_n} are needed"
    elif line.value is None or not math.isfinite(line.value):
        flaw = "it carries no value"
    elif not interval[0] <= line.value <= interval[1]:
        flaw = "its value lies outside of its own interval"
    elif not is_sure(line.detail):
        flaw = f"its interval is of level {line.detail['level']}, at least {LEAST_LEVEL:g} is needed"
    return _Measured(settled=settled, interval=interval, flaw=flaw)


def _numeric(status: Status, words: str, found: Sequence[tuple[Settled, Interval]], demand: Threshold) -> _Finding:
    """The finding with the worst of the lines as its number."""
    settled, interval = max(found, key=lambda pair: excess(pair[1], demand))
    return _Finding(status, f"{words}: {named([settled])}", _shown(settled, interval, demand), interval, settled.line.n)


def _shown(settled: Settled, interval: Interval | None, demand: Threshold) -> str:
    line = settled.line
    value = "no value" if line.value is None else with_unit(line.value, line.unit)
    ends = f" [{interval[0]:.6g}, {interval[1]:.6g}]" if interval is not None else ""
    return f"{demand.stat} {value}{ends} ({one_line(line.subject, 100)})"


def _of_statistic(selected: Sequence[Settled], demand: Threshold) -> tuple[Settled, ...]:
    """What a threshold is ruled on: its own statistic, and whatever went wrong on the way to it."""
    return tuple(
        one
        for one in selected
        if one.outcome in {Outcome.FAIL, Outcome.ERROR, Outcome.FLAKY}
        or (one.outcome is Outcome.MEASURED and one.line.detail.get("statistic") == demand.stat)
    )


def _having(lines: Iterable[Settled], outcomes: set[Outcome]) -> list[Settled]:
    return [one for one in lines if one.outcome in outcomes]


def _tolerated(settled: Settled, globs: Sequence[str]) -> bool:
    reason = str(settled.line.detail.get("reason", ""))
    return any(fnmatchcase(reason, glob) for glob in globs)


def _nothing(criterion: Criterion) -> str:
    wanted = criterion.select
    subject = f" on {wanted.subject}" if wanted.subject else ""
    suite = f" in suite {wanted.suite}" if wanted.suite else ""
    return f"no evidence of {', '.join(wanted.checks)}{subject}{suite} in this run"
