"""Evidence, criteria and records with one word each for what a test is about."""

from __future__ import annotations

from typing import Any

from harness.judge import judge
from harness.model import (
    Build,
    Criterion,
    Evidence,
    Integrity,
    Outcome,
    Policy,
    Record,
    Ruling,
    Select,
    Threshold,
    Verdict,
    Waiver,
)

RUN = "20260131T093000Z-abc123"
END = "2026-01-31T09:35:00.000000Z"
WHOLE = Integrity(state="finished", problems=(), evidence_sha256="0" * 64)
STARTUP = Criterion(id="startup", area="startup", select=Select(checks=("startup",)), waivable=False)
MS = Threshold(stat="p99", op="<=", value=300.0, unit="ms")


def line(outcome: str = "pass", check: str = "headers.hsts", **facts: Any) -> Evidence:
    """One line of evidence; `record` numbers it."""
    given = {"suite": "security", "subject": "GET /"} | facts
    return Evidence(run=RUN, seq=0, at=END, check=check, outcome=Outcome(outcome), **given)


def measured(value: float | None, interval: object, *, check: str = "load.latency", **facts: Any) -> Evidence:
    """A measured line of p99 in ms, unless told otherwise."""
    detail = {"statistic": facts.pop("statistic", "p99"), "interval": interval} | facts.pop("detail", {})
    given = {"suite": "load", "subject": "ALL", "unit": "ms", "n": 1000} | facts
    return line("measured", check, value=value, detail=detail, **given)


def attempt(number: int, outcome: str, *, superseded: bool = False, **facts: Any) -> Evidence:
    """A line of one attempt of a test."""
    detail = {"attempt": number} | ({"superseded": True} if superseded else {}) | facts.pop("detail", {})
    return line(outcome, detail=detail, test=facts.pop("test", "suites/security/test_headers.py::test_hsts"), **facts)


def criterion(check: str | tuple[str, ...] = "headers.*", **facts: Any) -> Criterion:
    """A criterion over the check, demanding that all pass."""
    checks = (check,) if isinstance(check, str) else check
    select = Select(checks=checks, suite=facts.pop("suite", None), subject=facts.pop("subject", None))
    return Criterion(**{"id": "the.criterion", "area": "security", "select": select} | facts)


def policy(*criteria: Criterion, **facts: Any) -> Policy:
    """A policy with `startup`, as every loaded policy has it."""
    return Policy(**{"name": "test", "criteria": (STARTUP, *criteria)} | facts)


def record(*lines: Evidence, started: bool = True, **facts: Any) -> Record:
    """A whole run with these lines, after one for a start that went well."""
    first = (line("pass", "startup", suite="gate", subject="service"),) if started else ()
    numbered = tuple(_numbered(one, seq) for seq, one in enumerate((*first, *lines), start=1))
    given: dict[str, Any] = {
        "run": RUN,
        "target": "dealradar",
        "build": Build(kind="commit", id="4f0c1f6"),
        "end": END,
        "collected": (),
        "integrity": WHOLE,
        "evidence": numbered,
    }
    return Record(**given | facts)


def _numbered(one: Evidence, seq: int) -> Evidence:
    facts = {name: getattr(one, name) for name in Evidence.__slots__}
    return Evidence(**facts | {"seq": seq})


def verdict_of(rule: Criterion, *lines: Evidence, waivers: tuple[Waiver, ...] = (), **facts: Any) -> Verdict:
    """The verdict by one criterion beside `startup`."""
    max_flaky = facts.pop("max_flaky", 0)
    return judge(policy(rule, max_flaky=max_flaky), waivers, record(*lines, **facts))


def ruling_of(rule: Criterion, *lines: Evidence, waivers: tuple[Waiver, ...] = (), **facts: Any) -> Ruling:
    """The ruling on that criterion."""
    return verdict_of(rule, *lines, waivers=waivers, **facts).criteria[-1]
