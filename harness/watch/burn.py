"""How fast error budgets are spent, over several windows at once (SRE workbook, chapter 5, table 5-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from harness.model import BurnRule, Slo, WatchRules
from harness.watch.alerts import Condition
from harness.watch.windows import Bucket, Counts, Window

ALL = "ALL"
"""The subject that is all paths together."""
DAY_S = 86_400.0
HEALTHY_SHARE = 0.5
"""An alert ends when its short window burns less than this share of what began it: at the limit it would flap."""
FEWEST_BAD = 2
"""One event is an accident."""
SURE_ONCE, SURE_FOR_WEEKS = 0.95, 0.99999
"""How sure it must be that the budget is overspent: who looks every second for weeks sees what is rare, too."""

IsActive = Callable[[str, str, str], bool]


@dataclass(slots=True)
class Series:
    """The events of one objective at one place, in every window that some rule looks at."""

    slo: Slo
    subject: str
    windows: dict[float, Window]
    since: float
    """When its first event came."""
    total: int = 0
    """Events since this process began, and the bad ones."""
    bad: int = 0

    def add(self, at: float, total: int, bad: int) -> None:
        """Count events."""
        self.total += total
        self.bad += bad
        for window in self.windows.values():
            window.add(at, total, bad)


@dataclass(slots=True)
class BurnRates:
    """All series, and the rules over them."""

    rules: WatchRules
    series: dict[tuple[str, str], Series] = field(default_factory=dict)

    def add(self, slo: Slo, subject: str, at: float, total: int, bad: int) -> None:
        """Count events of an objective at a place."""
        self._series(slo, subject, at).add(at, total, bad)

    def conditions(self, now: float, *, is_active: IsActive, final: bool = False) -> Iterator[Condition]:
        """What each rule says, where it says anything. The last time nothing waits for a window to pass."""
        # one path says more than all together: it comes first in what is told
        for series in sorted(self.series.values(), key=lambda series: series.subject == ALL):
            for rule in self.rules.burn:
                condition = self._condition(series, rule, now, is_active, final=final)
                if condition is not None:
                    yield condition

    def burns(self, series: Series, rule: BurnRule, now: float) -> tuple[float | None, float | None]:
        """Burn rates over the long and the short window; None without events."""
        pair = self._counts(series, rule, now)
        return pair[0].burn(series.slo.budget), pair[1].burn(series.slo.budget)

    def budget_used(self, series: Series, now: float) -> float | None:
        """The share of the period's budget that is spent, as if traffic stays what it was; None without events."""
        period = self.rules.budget_days * DAY_S * self.rules.scale
        burn = series.windows[period].counts(now).burn(series.slo.budget)
        return None if burn is None else burn * min(1.0, (now - series.since) / period)

    def dump(self) -> dict[str, dict[str, tuple[float, dict[str, list[Bucket]]]]]:
        """Objective -> subject -> since when, and the buckets of each window."""
        kept: dict[str, dict[str, tuple[float, dict[str, list[Bucket]]]]] = {}
        for (name, subject), series in self.series.items():
            windows = {f"{seconds:g}": window.dump() for seconds, window in series.windows.items()}
            kept.setdefault(name, {})[subject] = (series.since, windows)
        return kept

    def load(self, kept: Mapping[str, Mapping[str, tuple[float, Mapping[str, list[Bucket]]]]], shift: float) -> None:
        """Take over what was dumped; what the rules know no more is left."""
        for slo in self.rules.slo:
            for subject, (since, windows) in kept.get(slo.name, {}).items():
                series = self._series(slo, subject, since + shift)
                for seconds, window in series.windows.items():
                    window.load(windows.get(f"{seconds:g}", ()), shift)

    def _series(self, slo: Slo, subject: str, at: float) -> Series:
        found = self.series.get((slo.name, subject))
        if found is None:
            seconds = {each * self.rules.scale for rule in self.rules.burn for each in (rule.long_s, rule.short_s)}
            seconds.add(self.rules.budget_days * DAY_S * self.rules.scale)
            found = Series(slo, subject, {each: Window(each) for each in sorted(seconds)}, at)
            self.series[slo.name, subject] = found
        return found

    def _counts(self, series: Series, rule: BurnRule, now: float) -> tuple[Counts, Counts]:
        scale = self.rules.scale
        return series.windows[rule.long_s * scale].counts(now), series.windows[rule.short_s * scale].counts(now)

    def _condition(
        self, series: Series, rule: BurnRule, now: float, is_active: IsActive, *, final: bool
    ) -> Condition | None:
        slo, name = series.slo, f"{rule.long_s:g}/{rule.short_s:g}"
        long, short = self._counts(series, rule, now)
        long_burn, short_burn = long.burn(slo.budget), short.burn(slo.budget)
        if long_burn is None or short_burn is None:
            return None
        says = partial(Condition, alert=slo.name, subject=series.subject, rule=name, severity=rule.severity)
        if is_active(slo.name, series.subject, name):
            return says(state="good" if short_burn < HEALTHY_SHARE * rule.burn else "unclear")
        sure = SURE_ONCE if final else SURE_FOR_WEEKS
        has_passed = final or now - series.since >= rule.short_s * self.rules.scale
        is_burning = has_passed and min(long_burn, short_burn) >= rule.burn
        if is_burning and _is_sure(long, short, slo.budget, sure):
            return says(state="bad", text=_sentence(slo, series.subject, rule, long, long_burn))
        return None


def _is_sure(long: Counts, short: Counts, budget: float, sure: float) -> bool:
    return long.bad >= FEWEST_BAD and long.surely_above(budget, sure) and short.surely_above(budget, SURE_ONCE)


def what_is_bad(slo: Slo) -> str:
    """What answers did that miss the objective."""
    return "were no good ones" if slo.below_ms is None else f"took longer than {slo.below_ms:g} ms"


def _sentence(slo: Slo, subject: str, rule: BurnRule, counts: Counts, burn: float) -> str:
    where = "all paths together" if subject == ALL else subject
    times = f"{burn:,.0f}" if burn >= 10 else f"{burn:.1f}"
    return (
        f"{where}: {counts.bad} of {counts.total} answers {what_is_bad(slo)} ({shown(counts.bad / counts.total)}, and"
        f" {shown(slo.budget)} may be): the error budget of {slo.name} is spent {times} times too fast,"
        f" {rule.burn:g} is the limit"
    )


def shown(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.3g} %"
