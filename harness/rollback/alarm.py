"""Whether the watch would have told of a bad release, and that it is over: it hears what the readers were told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harness.rollback.traffic import Asked, Traffic

MOST_WAIT_S = 15.0
_FAILS_WITHIN_S = 1.5
"""Readers are failed by then, or not at all: what a smoke flow notices may be a login."""
_PAUSE_S = 0.1


class Alarm(Protocol):
    """What tells alerts of answers, by the rules of a watch."""

    def hear(self, asked: Sequence[Asked], now: float) -> tuple[str, ...]:
        """Take in what was asked; returns what is wrong now, a sentence for each alert that is open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerted:
    """What became of the alert."""

    failed: int
    """Requests of readers that failed before the rollback: where none did, there is nothing to be told."""
    text: str = ""
    """What was told; "" for nothing."""
    began_s: float | None = None
    """From the moment at which the planted release alone was asked."""
    ended_s: float | None = None
    """From the order to roll back."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Why somebody who waits for the alert would not be served: a sentence."""
        if self.failed and self.began_s is None:
            return (f"{self.failed} requests failed, and within {MOST_WAIT_S:g} s no alert told of it",)
        if self.began_s is not None and self.ended_s is None:
            return (f"the alert has not ended {MOST_WAIT_S:g} s after the rollback: {self.text}",)
        return ()


@dataclass(slots=True)
class AlarmedTraffic:
    """Readers, and an alarm that hears all that they were told."""

    traffic: Traffic
    alarm: Alarm
    _heard: int = 0

    def alerts(self) -> tuple[str, ...]:
        """What is wrong now."""
        new = self.traffic.since(self._heard)
        self._heard += len(new)
        return self.alarm.hear(new, time.monotonic())

    def await_alert(self, since: float) -> Alerted:
        """Wait until there is an alert; not for long where nothing has failed since then."""
        while True:
            open_now, now = self.alerts(), time.monotonic()
            failed = self.traffic.counts(since, now).failed
            if open_now:
                return Alerted(failed=failed, text=open_now[0], began_s=round(now - since, 3))
            if now - since > (MOST_WAIT_S if failed else _FAILS_WITHIN_S):
                return Alerted(failed=failed)
            time.sleep(_PAUSE_S)

    def await_quiet(self, alerted: Alerted, ordered: float) -> Alerted:
        """Wait until no alert is open, after a rollback that was ordered then."""
        deadline = time.monotonic() + MOST_WAIT_S
        while is_open := bool(self.alerts()):
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_S)
        if is_open or alerted.began_s is None:
            return alerted
        return replace(alerted, ended_s=round(time.monotonic() - ordered, 3))
