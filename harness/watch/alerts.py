"""From conditions to alerts: one alert a cause, however many places and rules show it, told once and ended once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from harness.model import ALERT_SEVERITIES, AlertSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What one rule says of one place. `unclear` (no data, or between the two limits) leaves things as they were."""

    alert: str
    """The alert that it belongs to: `availability`."""
    subject: str
    rule: str
    severity: AlertSeverity
    state: Literal["bad", "unclear", "good"]
    text: str = ""
    """What is wrong, in a sentence; of a bad one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """What became of an alert."""

    event: Literal["fired", "changed", "resolved"]
    alert: str
    id: str
    severity: AlertSeverity
    subjects: tuple[str, ...]
    text: str
    since: float
    at: float


@dataclass(slots=True, kw_only=True)
class OpenAlert:
    """An alert that has not ended."""

    id: str
    since: float
    told_at: float
    severity: AlertSeverity
    told: set[str]
    """Subjects that were told."""
    active: dict[str, dict[str, AlertSeverity]] = field(default_factory=dict)
    """Subject -> the rules that it breaks."""
    text: str = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Where it shows."""
        return tuple(sorted(self.active))

    @property
    def worst(self) -> AlertSeverity:
        """Of the rules that are broken."""
        return max((each for rules in self.active.values() for each in rules.values()), key=ALERT_SEVERITIES.index)


@dataclass(slots=True)
class AlertBook:
    """All alerts that are open. `pause_s` lies between two messages that only name one more place."""

    pause_s: float
    name: Callable[[], str]
    """Gives each alert an id of its own."""
    open: dict[str, OpenAlert] = field(default_factory=dict)

    @property
    def pages(self) -> bool:
        """Does one of them want somebody at once?"""
        return any(each.severity == "page" for each in self.open.values())

    def is_active(self, alert: str, subject: str, rule: str) -> bool:
        """Is that rule known to be broken there?"""
        found = self.open.get(alert)
        return found is not None and rule in found.active.get(subject, {})

    def update(self, conditions: Iterable[Condition], now: float) -> tuple[AlertChange, ...]:
        """Take in what the rules say now; returns what there is to tell."""
        touched: dict[str, None] = {}
        for one in conditions:
            if one.state == "bad":
                self._begin(one, now)
            elif one.state == "good" and one.alert in self.open:
                active = self.open[one.alert].active
                active.get(one.subject, {}).pop(one.rule, None)
                if not active.get(one.subject, {"": ""}):
                    del active[one.subject]
            touched[one.alert] = None
        changes = (self._change(alert, now) for alert in [*touched, *self.open.keys() - touched.keys()])
        return tuple(change for change in changes if change is not None)

    def forget(self, subjects: Iterable[str]) -> None:
        """Nobody looks at these places any more: what shows there alone has ended with the next `update`."""
        for found in self.open.values():
            for subject in subjects:
                found.active.pop(subject, None)

    def _begin(self, one: Condition, now: float) -> None:
        found = self.open.get(one.alert)
        if found is None:
            found = OpenAlert(id=self.name(), since=now, told_at=now, severity=one.severity, told=set())
            self.open[one.alert] = found
        rules = found.active.setdefault(one.subject, {})
        if not found.text or ALERT_SEVERITIES.index(one.severity) > ALERT_SEVERITIES.index(found.severity):
            found.text = one.text
        rules[one.rule] = one.severity

    def _change(self, alert: str, now: float) -> AlertChange | None:
        found = self.open.get(alert)
        if found is None:
            return None
        if not found.active:
            del self.open[alert]
            return self._told(alert, found, "resolved", tuple(sorted(found.told)), now) if found.told else None
        worst = found.worst
        is_new, differs = not found.told, worst != found.severity
        more = bool(found.active.keys() - found.told) and now - found.told_at >= self.pause_s
        if not (is_new or differs or more):
            return None
        found.severity, found.told_at = worst, now
        found.told |= found.active.keys()
        return self._told(alert, found, "fired" if is_new else "changed", found.subjects, now)

    def _told(
        self,
        alert: str,
        found: OpenAlert,
        event: Literal["fired", "changed", "resolved"],
        subjects: tuple[str, ...],
        now: float,
    ) -> AlertChange:
        return AlertChange(
            event=event,
            alert=alert,
            id=found.id,
            severity=found.severity,
            subjects=subjects,
            text=found.text,
            since=found.since,
            at=now,
        )
