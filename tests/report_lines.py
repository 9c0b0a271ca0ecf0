"""Evidence and a policy as the suites and the gate make them, for the tests of reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.model import Criterion, Observation, Outcome, Policy, Select, Threshold

PATHS = ("/", "/api/deals", "/api/deals/{id}", "/api/reviews", "/api/metrics/overview", "/health/ready")
_CACHED = ("/api/deals/1/reviews", "/api/deals/1/comments", "/api/metrics/overview")


def criterion(
    name: str,
    check: str,
    requires: str,
    *,
    demand: Threshold | None = None,
    required: bool = True,
    weight: float = 1.0,
    needs: str | None = None,
    min_n: int = 1,
) -> Criterion:
    """A criterion whose area is the first word of its name."""
    return Criterion(
        id=name,
        area=name.partition(".")[0],
        select=Select(checks=(check,)),
        demand=demand,
        requires=requires,
        required=required,
        weight=weight,
        needs=needs,
        min_n=min_n,
    )


CRITERIA = (
    criterion("startup", "startup", "The service starts and answers its readiness check within 30 seconds."),
    criterion("preflight.environment", "preflight.environment", "All six required settings are there and well formed."),
    criterion("preflight.database", "preflight.database", "The database answers and holds every expected table."),
    criterion("security.headers", "headers.*", "Every response carries the protective headers.", weight=2),
    criterion("security.csp", "csp.*", "The content security policy lets no inline script run."),
    criterion("security.cors", "cors.*", "Only the listed origins may read answers."),
    criterion("security.errors", "errors.*", "Errors tell a client nothing about the inside."),
    criterion(
        "ratelimit", "ratelimit.*", "A client over 300 requests a minute is refused, and served again after.", weight=2
    ),
    criterion("e2e.api", "api.*", "Deals, reviews and comments can be listed, read and written."),
    criterion(
        "metrics.endpoints", "metrics.endpoints", "The three metrics endpoints answer operators and nobody else."
    ),
    criterion(
        "cache.effect",
        "cache.ratio",
        "Cached reads take at most eight tenths of the uncached time.",
        demand=Threshold(stat="ratio_of_medians", op="<=", value=0.8, unit="ratio"),
        min_n=100,
    ),
    criterion("cache.correctness", "cache.invalidation", "A write is seen by the next read."),
    criterion(
        "load.latency",
        "load.latency",
        "At 50 requests a second, 99 of 100 are answered within 300 ms of being due.",
        demand=Threshold(stat="p99", op="<=", value=300, unit="ms"),
    ),
    criterion(
        "load.errors",
        "load.errors",
        "At most one request in a hundred fails under load.",
        demand=Threshold(stat="error_rate", op="<=", value=0.01, unit="ratio"),
    ),
    criterion(
        "load.generator", "load.generator", "The load generator kept its schedule and saw a stall of known length."
    ),
    criterion(
        "e2e.pages",
        "page.*",
        "The page lists deals in a real browser, without script errors.",
        required=False,
        needs="pages",
    ),
)
POLICY = Policy(name="quick", criteria=CRITERIA)


def seen(
    suite: str,
    check: str,
    subject: str,
    outcome: Outcome = Outcome.PASS,
    *,
    artifacts: tuple[str, ...] = (),
    **detail: Any,
) -> Observation:
    """What the plugin records of one attempt of a test."""
    name = check.replace(".", "_")
    return Observation(
        suite=suite,
        check=check,
        subject=subject,
        outcome=outcome,
        detail=detail or {"assertions": 3, "requests": 1},
        test=f"suites/{suite}/test_{check.partition('.')[0]}.py::test_{name}[{subject}]",
        artifacts=artifacts,
    )


def measured_line(
    suite: str,
    check: str,
    subject: str,
    statistic: str,
    value: float,
    interval: list[float],
    unit: str,
    n: int,
    method: str,
) -> Observation:
    """A figure with its interval."""
    detail = {"statistic": statistic, "interval": interval, "level": 0.95, "method": method}
    return Observation(
        suite=suite, check=check, subject=subject, outcome=Outcome.MEASURED, value=value, unit=unit, n=n, detail=detail
    )


def preflight_lines() -> Iterable[Observation]:
    """Preflight as it runs on a set-up machine."""
    found = (
        ("environment", "service", 6.0, "count", 0.0004, "6 of 6 required settings"),
        ("database", "postgres", 19.0, "count", 0.0121, "PostgreSQL 18.4, 19 of 19 tables"),
        ("cache_server", "valkey", 2.1, "MiB", 0.0034, "Valkey 9.1, no eviction"),
        ("folders", "state", 81.0, "GiB", 0.0011, "writable"),
        ("ratelimit_setting", "RATE_LIMIT_PER_MINUTE", 300.0, "count", 0.0002, "as the profile expects"),
        ("cache_on", "GET /api/deals", None, "", 0.0180, "second answer was a HIT"),
    )
    for check, subject, value, unit, took, says in found:
        yield Observation(
            suite="preflight",
            check=f"preflight.{check}",
            subject=subject,
            outcome=Outcome.PASS,
            value=value,
            unit=unit,
            detail={"seconds": took, "message": says},
        )
    yield Observation(
        suite="preflight",
        check="preflight.smtp",
        subject="mail",
        outcome=Outcome.SKIP,
        detail={"seconds": 0.0001, "reason": "the stack has no mail server"},
    )
    yield Observation(
        suite="preflight",
        check="preflight.score",
        subject="System Readiness Score",
        outcome=Outcome.MEASURED,
        value=85.7,
        unit="of 100",
        n=7,
        detail={"statistic": "score", "message": "6 of 7 checks passed; not: smtp (skip)"},
    )


def healthy_lines() -> tuple[Observation, ...]:
    """Everything as it should be."""
    lines = [
        Observation(suite="gate", check="startup", subject="dealradar", outcome=Outcome.PASS, value=1.42, unit="s")
    ]
    lines += preflight_lines()
    for header in ("hsts", "nosniff", "frame", "referrer", "permissions"):
        lines += [seen("security", f"headers.{header}", f"GET {path}", severity="high") for path in PATHS]
    lines += [seen("security", f"csp.{rule}", "GET /", source="CSP Level 3") for rule in ("script", "object", "base")]
    lines += [seen("security", f"cors.{case}", "GET /api/deals") for case in ("listed", "foreign", "null")]
    lines += [seen("security", f"errors.{status}", f"GET /missing/{status}") for status in (404, 405, 422)]
    for stage in ("within", "refused", "retry_after", "recovered"):
        lines.append(seen("security", f"ratelimit.{stage}", "GET /api/deals", served=300, refused=30))
    lines += [seen("e2e", f"api.{flow}", f"{flow} a review") for flow in ("list", "read", "create", "validate")]
    lines += [
        seen("e2e", "metrics.endpoints", f"GET /api/metrics/{name}")
        for name in ("overview", "performance", "notifications")
    ]
    lines += [
        seen("e2e", "cache.invalidation", "POST /api/deals/1/reviews"),
        seen("e2e", "page.lists", "GET /"),
    ]
    for path, value in zip(_CACHED, (0.31, 0.28, 0.12), strict=True):
        interval = [round(value * 0.93, 4), round(value * 1.08, 4)]
        method = "bootstrap over blocks"
        lines.append(
            measured_line(
                "cache", "cache.ratio", f"GET {path}", "ratio_of_medians", value, interval, "ratio", 1200, method
            )
        )
        lines.append(
            measured_line(
                "cache", "cache.noise", f"GET {path}", "ratio_of_medians", 1.004, [0.97, 1.038], "ratio", 1200, method
            )
        )
    lines += load_lines(p99=11.8, error_rate=0.0)
    return tuple(lines)


def load_lines(*, p99: float, error_rate: float, n: int = 500) -> list[Observation]:
    """The figures of the load suite."""
    lines = [
        Observation(
            suite="load",
            check="load.completed",
            subject="ALL",
            outcome=Outcome.PASS,
            n=n,
            detail={"sent": n, "dropped": 0},
        ),
        Observation(
            suite="load",
            check="load.generator",
            subject="ALL",
            outcome=Outcome.PASS,
            value=1.9,
            unit="ms",
            n=n,
            detail={"limit_ms": 20, "canary": {"pause_ms": 300, "seen_ms": 296}},
        ),
    ]
    for statistic, value in (("p50", p99 / 5), ("p95", p99 / 1.8), ("p99", p99)):
        interval = [value * 0.86, value * 1.24]
        lines.append(
            measured_line("load", "load.latency", "ALL", statistic, value, interval, "ms", n, "order statistics")
        )
    interval = [max(0.0, error_rate - 0.002), error_rate + 0.0073]
    lines.append(
        measured_line("load", "load.errors", "ALL", "error_rate", error_rate, interval, "ratio", n, "Clopper-Pearson")
    )
    return lines


def replaced(
    lines: Iterable[Observation], which: Callable[[Observation], bool], new: Callable[[Observation], Observation]
) -> tuple[Observation, ...]:
    """The lines, those that `which` picks exchanged."""
    return tuple(new(line) if which(line) else line for line in lines)


def without(lines: Iterable[Observation], *prefixes: str) -> tuple[Observation, ...]:
    """The lines but those whose check begins so."""
    return tuple(line for line in lines if not line.check.startswith(prefixes))
