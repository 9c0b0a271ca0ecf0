"""A watch as observations: what was promised and held, what was measured, and what it means for scaling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import Measurement, Observation, Outcome, Severity
from harness.stats import clopper_pearson, quantile_interval
from harness.watch.baseline import DEVIATION, ERRORS, FEWEST, LEVEL, RESPONSE
from harness.watch.burn import ALL, Series, shown, what_is_bad
from harness.watch.core import PathCounts, Watcher

SUITE = "watch"
STARTUP, SLO, PROBES = "startup", "watch.slo", "watch.probes"
FIGURE, METRICS, BASELINE, CAPACITY = "watch.figure", "watch.metrics", "watch.baseline", "watch.capacity"
CHECK_IDS = frozenset({STARTUP, SLO, PROBES, FIGURE, METRICS, BASELINE, CAPACITY, RESPONSE, ERRORS})
"""Every id that a watch writes; policies are checked against them."""
_QUANTILES = {"p50": 0.5, "p95": 0.95}
MEASUREMENTS = frozenset(
    {
        *(Measurement(RESPONSE, statistic, "ms") for statistic in _QUANTILES),
        Measurement(ERRORS, "error_rate", "ratio"),
        Measurement(CAPACITY, "share_of_capacity", "ratio"),
    }
)
"""Every number that a watch writes."""
FEWEST_OF_PATH = 5
_BURNS: Mapping[str, Any] = {
    "severity": "high",
    "source": "SRE workbook, chapter 5",
    "why": "Users are failed faster than the objective allows.",
    "remedy": "Roll the release back, or mend what the curl line shows.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What the seen peak is of the capacity that a load run measured."""

    peak_rps: float
    capacity_rps: float
    most_share: float

    @property
    def share(self) -> float:
        """Of the capacity, that is used at the peak."""
        return self.peak_rps / self.capacity_rps

    @property
    def factor(self) -> int:
        """How many times as much of the service is needed to keep below `most_share`."""
        return max(1, math.ceil(self.share / self.most_share))

    def __str__(self) -> str:
        seen = f"the seen peak of {self.peak_rps:.3g}/s is {self.share:.0%} of the measured {self.capacity_rps:.3g}/s"
        if self.factor == 1:
            return f"{seen}: below {self.most_share:.0%}, no more instances are needed"
        return f"{seen}: run {self.factor} times as many instances to stay below {self.most_share:.0%}"


def scaling(watcher: Watcher, capacity_rps: float | None) -> Scaling | None:
    """A recommendation; None where capacity or load is not known."""
    if capacity_rps is None or watcher.peak_rps is None:
        return None
    return Scaling(peak_rps=watcher.peak_rps, capacity_rps=capacity_rps, most_share=watcher.rules.capacity_share)


def observations(
    watcher: Watcher, url: str, *, down: str, unread: Mapping[str, str], capacity_rps: float | None
) -> tuple[Observation, ...]:
    """Everything a watch has to say. `down` is why the service did not answer at first, `unread` the places that the
    profile names for metrics, each with why it cannot be read ("" where it can).
    """
    found = [_startup(watcher, url, down)]
    for path, counts in watcher.paths.items():
        found.append(_probes(path, counts))
        found += _measured(path, counts)
    if watcher.answered:
        # of a service that never answered, `startup` says so
        found += [_slo(watcher, series) for series in _paths_first(watcher)]
    found += [_metrics(place, why) for place, why in unread.items()]
    found += _figures(watcher)
    found += _baseline(watcher)
    advice = scaling(watcher, capacity_rps)
    if advice is not None:
        found.append(_capacity(advice))
    return tuple(found)


def _startup(watcher: Watcher, url: str, down: str) -> Observation:
    asked = sum(counts.total + counts.refused for counts in watcher.paths.values())
    last = next((counts.why for counts in watcher.paths.values() if counts.why), down)
    if watcher.answered:
        return _line(STARTUP, url, Outcome.PASS, n=asked)
    if not asked:
        return _line(STARTUP, url, Outcome.ERROR, message=f"nothing was asked of {url} yet: the watch was too short")
    message = f"{url} answered none of {asked} requests: {last}"
    remedy = "Start the service, or roll the release back."
    return _line(
        STARTUP, url, Outcome.FAIL, message=message, severity="critical", why="Nobody is served.", remedy=remedy
    )


def _probes(path: str, counts: PathCounts) -> Observation:
    subject = f"GET {path}"
    if counts.total >= FEWEST_OF_PATH:
        return _line(PROBES, subject, Outcome.PASS, n=counts.total, refused=counts.refused)
    refused = f", and {counts.refused} refusals" if counts.refused else ""
    message = f"{subject} gave {counts.total} answers{refused}: too little data, at least {FEWEST_OF_PATH} are needed"
    remedy = "Watch longer (--for); where a limiter refuses, ask less often (--every)."
    return _line(PROBES, subject, Outcome.ERROR, message=message, remedy=remedy, cause="too little data")


def _measured(path: str, counts: PathCounts) -> Iterator[Observation]:
    subject = f"GET {path}"
    if counts.total:
        yield _number(
            ERRORS,
            subject,
            "error_rate",
            counts.bad / counts.total,
            clopper_pearson(counts.bad, counts.total, LEVEL),
            unit="ratio",
            n=counts.total,
            method="Clopper-Pearson",
        )
    for statistic, q in _QUANTILES.items():
        interval = quantile_interval(counts.latencies, q, LEVEL) if counts.latencies else None
        if interval is not None:
            value = sorted(counts.latencies)[int(q * (len(counts.latencies) - 1))]
            value = min(max(value, interval[0]), interval[1])
            yield _number(
                RESPONSE,
                subject,
                statistic,
                value,
                interval,
                unit="ms",
                n=len(counts.latencies),
                method="order statistics",
            )


def _paths_first(watcher: Watcher) -> list[Series]:
    return sorted(watcher.rates.series.values(), key=lambda series: (series.slo.name, series.subject == ALL))


def _slo(watcher: Watcher, series: Series) -> Observation:
    name, path = series.slo.name, series.subject
    where = "all paths" if path == ALL else f"GET {path}"
    subject = f"{name} of {where}"
    if not series.total:
        return _line(SLO, subject, Outcome.ERROR, message=f"{subject}: no data, nothing is known of it")
    share = series.bad / series.total
    if not watcher.has_shown(name, path):
        return _line(SLO, subject, Outcome.PASS, value=share, unit="ratio", n=series.total)
    counts = watcher.paths.get(path)
    last = f"; the last one: {counts.why}" if counts is not None and counts.why and series.slo.below_ms is None else ""
    may = f"{shown(share)}, and {shown(series.slo.budget)} may be"
    message = f"{where}: {series.bad} of {series.total} answers {what_is_bad(series.slo)} ({may}){last}"
    repeat = {"curl": counts.curl} if counts is not None and counts.curl else {}
    detail = {"message": message, **_BURNS, "cause": name, **repeat}
    return _line(SLO, subject, Outcome.FAIL, value=share, unit="ratio", n=series.total, **detail)


def _metrics(place: str, why: str) -> Observation:
    if not why:
        return _line(METRICS, place, Outcome.PASS)
    remedy = "Let the service tell its figures there in Prometheus' text format, to this machine too."
    return _line(METRICS, place, Outcome.ERROR, message=f"no figures can be read at {place}: {why}", remedy=remedy)


def _figures(watcher: Watcher) -> Iterator[Observation]:
    for name, figure in watcher.figure_watches.items():
        text = watcher.fired.get(name)
        if text is not None:
            severity: Severity = "high" if figure.figure.severity == "page" else "normal"
            why = "The profile says within which bounds the service is well."
            remedy = "See the runbook: what a figure out of its bounds means, and who decides."
            words = {"message": text, "severity": severity, "why": why, "remedy": remedy}
            yield _line(FIGURE, name, Outcome.FAIL, value=figure.value, n=figure.readings, **words)
        elif figure.readings:
            yield _line(FIGURE, name, Outcome.PASS, value=figure.value, n=figure.readings)
        else:
            remedy = "Name a sample that the service has, or give it the traffic by which it is told."
            yield _line(FIGURE, name, Outcome.ERROR, message=f"{name}: no data, nothing is known of it", remedy=remedy)


def _baseline(watcher: Watcher) -> Iterator[Observation]:
    if watcher.baseline is not None:
        known = watcher.baseline.latency_ms.keys() | watcher.baseline.errors.keys()
        for path, counts in watcher.paths.items():
            yield _compared(watcher, path, counts, is_known=path in known)


def _compared(watcher: Watcher, path: str, counts: PathCounts, *, is_known: bool) -> Observation:
    subject = f"GET {path}"
    if any(watcher.has_shown(slo.name, path) for slo in watcher.rules.slo):
        reason = "not applicable: an error budget of this path burns, and one finding says so"
        return _line(BASELINE, subject, Outcome.SKIP, reason=reason)
    if watcher.has_shown(DEVIATION, path):
        text = watcher.fired[DEVIATION]
        why = "The release is slower, or fails oftener, than it was when it was let go."
        remedy = "Compare what runs beside the service now with then; else roll back."
        message = text if text.startswith(f"{path}:") else f"{path}: is worse than in the baseline"
        return _line(BASELINE, subject, Outcome.FAIL, message=message, why=why, remedy=remedy, cause=DEVIATION)
    if not is_known:
        return _line(BASELINE, subject, Outcome.SKIP, reason="not applicable: the baseline has no figure of this path")
    if len(counts.latencies) < FEWEST:
        message = f"{subject} gave {len(counts.latencies)} timed answers: too few to compare, {FEWEST} are needed"
        remedy = "Watch longer (--for)."
        return _line(BASELINE, subject, Outcome.ERROR, message=message, remedy=remedy, cause="too little data")
    return _line(BASELINE, subject, Outcome.PASS, n=counts.total)


def _capacity(advice: Scaling) -> Observation:
    return Observation(
        suite=SUITE,
        check=CAPACITY,
        subject=ALL,
        outcome=Outcome.MEASURED,
        value=advice.share,
        unit="ratio",
        detail={"statistic": "share_of_capacity", "message": str(advice), "factor": advice.factor},
    )


def _number(
    check: str,
    subject: str,
    statistic: str,
    value: float,
    interval: tuple[float, float],
    *,
    unit: str,
    n: int,
    method: str,
) -> Observation:
    detail = {"statistic": statistic, "interval": list(interval), "level": LEVEL, "method": method}
    return Observation(
        suite=SUITE, check=check, subject=subject, outcome=Outcome.MEASURED, value=value, unit=unit, n=n, detail=detail
    )


def _line(
    check: str,
    subject: str,
    outcome: Outcome,
    *,
    value: float | None = None,
    unit: str = "",
    n: int = 1,
    **detail: Any,  # noqa: ANN401 - what a detail holds
) -> Observation:
    return Observation(
        suite=SUITE, check=check, subject=subject, outcome=outcome, value=value, unit=unit, n=n, detail=detail
    )
