"""The release's own baseline: what its gate, or an earlier watch, measured of each path, and what is no longer so.

Intervals are compared, never means: a deviation is one whose whole interval lies beyond the baseline's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.model import Evidence, Interval, Outcome, WatchRules
from harness.run import read_evidence, read_run_record
from harness.stats import clopper_pearson, quantile_interval
from harness.watch.alerts import Condition

DEVIATION = "baseline"
RESPONSE, ERRORS = "watch.response", "watch.errors"
QUANTILE, STATISTIC = 0.5, "p50"
"""The median: tails under a gate's load and from outside are not the same thing."""
LEVEL = 0.95
FEWEST = 15
"""Answers by which a path is compared."""
_OF_GATE = {"load.latency": RESPONSE, "load.errors": ERRORS}


@dataclass(frozen=True, slots=True)
class Baseline:
    """Path -> the interval of its median in ms, and of its share of errors."""

    latency_ms: Mapping[str, Interval]
    errors: Mapping[str, Interval]


def read_baseline(run: Path) -> Baseline:
    """What a run measured; an earlier watch's own figures win. Raises `BrokenRunError` for what is no run."""
    lines = read_evidence(run / "evidence.jsonl", read_run_record(run).run).lines
    found: dict[str, dict[str, Interval]] = {RESPONSE: {}, ERRORS: {}}
    for line in sorted(lines, key=lambda line: line.suite == "watch"):
        check = _OF_GATE.get(line.check, line.check)
        if check in found and line.outcome is Outcome.MEASURED and line.interval is not None and _is_ours(line, check):
            found[check][line.subject.removeprefix("GET ")] = line.interval
    return Baseline(latency_ms=found[RESPONSE], errors=found[ERRORS])


def _is_ours(line: Evidence, check: str) -> bool:
    return line.statistic == (STATISTIC if check == RESPONSE else "error_rate")


def deviations(
    baseline: Baseline,
    latencies: Mapping[str, Sequence[float]],
    counts: Mapping[str, tuple[int, int]],
    rules: WatchRules,
) -> Iterator[Condition]:
    """What each path that was measured in both says. Within the limit it is well: the interval is the hysteresis."""
    for path, samples in latencies.items():
        known = baseline.latency_ms.get(path)
        seen = quantile_interval(samples, QUANTILE, LEVEL) if len(samples) >= FEWEST else None
        if known is not None and seen is not None:
            limit = known[1] * rules.baseline_factor + rules.baseline_floor_ms
            text = (
                f"{path}: the median answer takes {seen[0]:.3g} ms or more (95 % sure), in the baseline"
                f" {known[1]:.3g} ms or less; {limit:.3g} ms may be"
            )
            yield _condition(path, "latency", text, is_beyond=seen[0] > limit, is_within=seen[1] <= limit)
        errors, (bad, total) = baseline.errors.get(path), counts[path]
        if errors is not None and total >= FEWEST:
            low, high = clopper_pearson(bad, total, LEVEL)
            text = f"{path}: {low:.2%} of answers or more are bad (95 % sure), in the baseline {errors[1]:.2%} or less"
            yield _condition(path, "errors", text, is_beyond=low > errors[1], is_within=high <= errors[1])


def _condition(path: str, rule: str, text: str, *, is_beyond: bool, is_within: bool) -> Condition:
    return Condition(
        alert=DEVIATION,
        subject=path,
        rule=rule,
        severity="ticket",
        state="bad" if is_beyond else "good" if is_within else "unclear",
        text=text,
    )
