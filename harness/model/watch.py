"""What is watched after a release: what a policy demands of a service over time, and which figures a profile names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from harness.model.url_path import UrlPath

AlertSeverity = Literal["page", "ticket"]
"""Whether somebody is woken up, or reads it tomorrow."""
ALERT_SEVERITIES: tuple[AlertSeverity, ...] = ("ticket", "page")
"""The lesser one first."""

_Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$", description="small letters, digits and '_'")]
_Share = Annotated[float, Meta(gt=0, le=0.999999, description="a share above 0 and at most 0.999999")]
_Period = Annotated[float, Meta(gt=0, le=7_776_000, description="seconds, above 0 and at most 90 days")]
_Factor = Annotated[float, Meta(gt=0, le=10_000, description="a number above 0 and at most 10,000")]
_Pause = Annotated[float, Meta(ge=0.05, le=3600, description="seconds from 0.05 to 3,600")]
_Port = Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """A share of answers that must be good: whole, no error, and with `below_ms` quick enough."""

    name: _Name
    objective: _Share
    below_ms: Annotated[float, Meta(gt=0, le=3_600_000, description="ms, above 0 and at most an hour")] | None = None
    """Counts how quick good answers are; None counts how many are good."""

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return 1 - self.objective


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnRule:
    """Burning the error budget `burn` times too fast over both windows is an alert (SRE workbook, table 5-8)."""

    long_s: _Period
    short_s: _Period
    burn: _Factor
    severity: AlertSeverity = "page"


TABLE_5_8 = (
    BurnRule(long_s=3600, short_s=300, burn=14.4),
    BurnRule(long_s=21_600, short_s=1800, burn=6),
    BurnRule(long_s=259_200, short_s=21_600, burn=1, severity="ticket"),
)
"""https://sre.google/workbook/alerting-on-slos/"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRelay:
    """The server that takes mails with alerts."""

    host: str
    port: _Port = 25
    starttls: bool = False
    sender: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRules:
    """`[watch]` of a policy. Every duration but `every_s` and `metrics_every_s` counts times `scale`."""

    scale: _Factor = 1.0
    every_s: _Pause = 1.0
    """From one question for a path to the next."""
    metrics_every_s: _Pause = 5.0
    hold_s: _Period = 60.0
    """For how long a figure is out of its bounds before that is an alert."""
    budget_days: Annotated[int, Meta(ge=1, le=90, description="a number from 1 to 90")] = 30
    """The period that an error budget is for."""
    slo: tuple[Slo, ...] = ()
    burn: tuple[BurnRule, ...] = TABLE_5_8
    baseline_factor: Annotated[float, Meta(ge=1, le=1000, description="a number from 1 to 1,000")] = 1.5
    """As many times the baseline's latency is no deviation,"""
    baseline_floor_ms: Annotated[float, Meta(ge=0, le=60_000, description="ms from 0 to 60,000")] = 10.0
    """nor is it with so much more: the way from outside is longer than a gate's."""
    capacity_share: _Share = 0.7
    """What the seen peak may be of the measured capacity."""
    runbook: str = ""
    """Address of the runbook; each alert links to its own heading there."""
    mail: MailRelay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number of the service's own metrics, and the bounds within which it is well.

    `metric` and `over` name samples: `jobs_total{state="dead"}`. With `over` the figure is their ratio.
    """

    metric: str
    over: str = ""
    read: Literal["value", "rate", "stale_s"] = "value"
    """The sum as it is, its increase a second (with `over`: of its increase), or seconds since it last changed."""
    at_least: float | None = None
    at_most: float | None = None
    severity: AlertSeverity = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """`[watch]` of a profile: where the service tells of itself, and what of that must hold."""

    paths: tuple[UrlPath, ...] = ()
    """What is asked from outside; without it, what the service shows."""
    metrics: tuple[str, ...] = ()
    """Paths of the service, or addresses, with metrics in the text format of Prometheus."""
    requests: str = ""
    """The counter of answered requests, for the recommendation on scaling."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    business: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def all_figures(self) -> Mapping[str, Figure]:
        """Technical figures and those of the business, by name."""
        return {**self.figures, **self.business}
