"""Runs as the gate leaves them, for the tests of reports: written by the real writer, ruled by the real judge."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.config import waivers_document
from harness.judge import judge, verdict_document
from harness.model import Build, Observation, Outcome, PhaseRecord, Policy, Service, StackFacts, Target, Waiver
from harness.run import Run, create_run, load_record, seal
from tests.report_lines import (
    CRITERIA,
    PATHS,
    POLICY,
    criterion,
    healthy_lines,
    load_lines,
    measured_line,
    replaced,
    seen,
    without,
)

COMMIT = "4f0c1f6f0d0c6a8f3f9d2a1b7c5e8d9a0b1c2d3e"
CLEAN_BUILD = Build(kind="commit", id=COMMIT)


def soon() -> str:
    """A date at which a waiver may end."""
    return (datetime.now(UTC).date() + timedelta(days=30)).isoformat()


@dataclass(frozen=True)
class Scenario:
    """What a run observed, and what its policy demands."""

    observations: tuple[Observation, ...]
    policy: Policy
    waivers: tuple[Waiver, ...] = ()
    build: Build = CLEAN_BUILD
    narrowed: str = ""
    absent: dict[str, str] = field(default_factory=dict)
    collected: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


def scenario(*lines: Observation, narrowed: str = "", collected: tuple[str, ...] = ()) -> Scenario:
    """These lines and no others."""
    return Scenario(observations=lines, policy=POLICY, narrowed=narrowed, collected=collected)


def go() -> Scenario:
    """All is well."""
    lines = healthy_lines()
    return Scenario(observations=lines, policy=POLICY, collected=tuple(line.test for line in lines if line.test))


def no_go() -> Scenario:
    """Two protections fail, one figure is too uncertain, one criterion is waived, the mail suite found no server."""
    failed = {
        "GET /api/reviews": "expected: max-age of at least 31536000\nobserved: the header is missing",
        "GET /api/metrics/overview": "expected: max-age of at least 31536000\nobserved: max-age=300",
    }
    lines = without(healthy_lines(), "load.", "page.", "headers.hsts", "ratelimit.refused", "cors.foreign")
    lines += tuple(
        seen(
            "security",
            "headers.hsts",
            f"GET {path}",
            Outcome.FAIL if f"GET {path}" in failed else Outcome.PASS,
            message=failed.get(f"GET {path}", ""),
            severity="high",
            source="RFC 6797",
            curl=[
                f"curl -i -H 'X-Forwarded-Proto: https' -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8011{path}"
            ],
            artifacts=("artifacts/hsts.txt",),
        )
        for path in PATHS
    )
    lines += (
        seen(
            "security",
            "ratelimit.refused",
            "GET /api/deals",
            Outcome.FAIL,
            message="expected: 429 beyond 300 requests a minute\nobserved: 330 of 330 served; never refused",
            reason="never refused",
            severity="critical",
            curl=["curl -i http://127.0.0.1:8011/api/deals"],
            observed={"served": 330, "refused": 0},
        ),
        seen(
            "security",
            "cors.foreign",
            "GET /api/deals",
            Outcome.FAIL,
            message="AssertionError: first attempt",
            superseded=True,
            attempt=1,
        ),
        seen(
            "security", "cors.foreign", "GET /api/deals", Outcome.FLAKY, message="failed once, then passed", attempt=2
        ),
        seen("e2e", "mail.delivery", "POST /api/reviews", Outcome.SKIP, reason="the stack has no mail server"),
        seen("e2e", "mail.bounce", "POST /api/reviews", Outcome.SKIP, reason="the stack has no mail server"),
        seen("e2e", "search.umlauts", "GET /api/deals?q=Müller"),
        *load_lines(p99=262.0, error_rate=0.002),
    )
    waiver = Waiver(
        criterion="security.cors",
        owner="R. Okafor",
        reason="The partner portal moves to its own origin on 12 February.",
        expires=soon(),
        link="https://tracker.example/DEAL-482",
    )
    return Scenario(
        observations=lines,
        policy=POLICY,
        waivers=(waiver,),
        absent={"pages": "an API without pages"},
        collected=(*(line.test for line in lines if line.test), "suites/e2e/test_search.py::test_ranking"),
        overrides=("RATE_LIMIT_PER_MINUTE",),
    )


def inconclusive() -> Scenario:
    """Nothing fails; load was never run, and one interval holds the threshold."""
    lines = without(healthy_lines(), "load.")
    lines = replaced(
        lines,
        lambda line: line.check == "cache.ratio" and "metrics" in line.subject,
        lambda line: measured_line(
            "cache",
            "cache.ratio",
            line.subject,
            "ratio_of_medians",
            0.79,
            [0.66, 0.94],
            "ratio",
            1200,
            "bootstrap over blocks",
        ),
    )
    return Scenario(
        observations=lines, policy=POLICY, narrowed="--without load", build=Build(kind="commit", id=COMMIT, dirty=True)
    )


def large(count: int = 5_000) -> Scenario:
    """As many lines as a long release run leaves, some of them failures."""
    rng = random.Random(5)  # noqa: S311 - sample data
    lines = list(healthy_lines())
    for number in range(count - len(lines)):
        suite, area = rng.choice(
            (("e2e", "api"), ("security", "headers"), ("security", "input"), ("resilience", "retry"))
        )
        failed = rng.random() < 0.01
        detail: dict[str, Any] = (
            {"message": f"expected 200, got 500 for item {number}"} if failed else {"assertions": 4}
        )
        lines.append(
            seen(
                suite,
                f"{area}.rule{number % 17}",
                f"GET /api/deals/{number}",
                Outcome.FAIL if failed else Outcome.PASS,
                **detail,
            )
        )
    return Scenario(observations=tuple(lines), policy=POLICY)


HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</title></style></script><svg onload=document.title='owned'>",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 bell\x07 nul\x00 \x9b31m",
    "user\u202etxt.exe \u2066hidden\u2069",
    "{{ 7 * 7 }}{% raw %} ${7*7}",
    "| a | b |\n|---|---|\n[click](javascript:alert(1)) `tick` @everyone <b>",
    "]]> <![CDATA[ &amp; &#0; \ufffe \uffff",
    "W" * 200_000,
)


def hostile() -> Scenario:
    """Evidence that quotes what an enemy would send."""
    lines = list(healthy_lines())
    for text in HOSTILE:
        lines.append(
            Observation(
                suite="security",
                check=f"input.{text[:60]}",
                subject=text,
                outcome=Outcome.FAIL,
                value=float("nan"),
                unit=text[:20],
                detail={
                    "message": text,
                    "reason": text,
                    "expected": text,
                    "observed": {text[:80]: text},
                    "curl": [text, 7, None],
                    "interval": [1, "x"],
                    "severity": text,
                    "seconds": "soon",
                    text[:40]: [text],
                },
                test=f"suites/../../{text[:80]}::test_it[{text[:80]}]",
                artifacts=(
                    "javascript:alert(1)",
                    "../../../etc/passwd",
                    "//evil.example/x",
                    text[:90],
                    "artifacts/here.txt",
                ),
            )
        )
        lines.append(seen("security", "input.skip", text[:90], Outcome.SKIP, reason=text))
    policy = Policy(name="quick", criteria=(*CRITERIA, criterion("security.input", "input.*", "Input stays data.")))
    return Scenario(observations=tuple(lines), policy=policy, narrowed=HOSTILE[0], absent={"mail": HOSTILE[1]})


def write_run(
    out: Path, scenario: Scenario, *, judged: bool = True, state: str = "finished", kind: str = "gate"
) -> Path:
    """Write the scenario as a run under `out`; returns its folder."""
    target = Target(
        name="dealradar", source="profiles/dealradar.toml", service=Service(command=("serve",)), absent=scenario.absent
    )
    documents = {"profile": target, "policy": scenario.policy, "waivers": waivers_document(scenario.waivers)}
    run = create_run(out, kind=kind, target=target, policy=scenario.policy.name, commit=COMMIT, documents=documents)
    run.record(scenario.observations)
    (run.path / "artifacts" / "hsts.txt").write_text("HTTP/1.1 200 OK\n", encoding="utf-8")
    (run.path / "artifacts" / "here.txt").write_text("here\n", encoding="utf-8")
    stack = StackFacts(
        name=run.id,
        backend="embedded",
        url="http://127.0.0.1:8011",
        owned=True,
        instances=("http://127.0.0.1:8011",),
        overrides=tuple(scenario.overrides),
        timings={"postgres": 0.31},
    )
    run.update(
        lambda record: replace(
            record,
            build=scenario.build,
            narrowed=scenario.narrowed,
            collected=tuple(scenario.collected),
            seeds={"cache": 20260131, "load": 7},
            stack=stack,
        )
    )
    if any(line.suite == "load" for line in scenario.observations):
        write_timeline(run)
    if state == "running":
        return run.path
    start = (datetime.now(UTC) - timedelta(seconds=57.8)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    phases = (
        PhaseRecord(name="stack up", seconds=1.62),
        PhaseRecord(name="preflight", seconds=0.21),
        PhaseRecord(name="suites", seconds=24.9, waited=1.4),
        PhaseRecord(name="cache", seconds=14.2, waited=3.1),
        PhaseRecord(name="load", seconds=16.8),
        PhaseRecord(name="judge", seconds=0.04),
    )
    run.update(lambda record: replace(record, start=start, phases=phases))
    run.close("finished" if state == "finished" else "interrupted")
    if judged:
        verdict = judge(scenario.policy, scenario.waivers, load_record(run.path))
        (run.path / "verdict.json").write_bytes(verdict_document(verdict))
        seal(run.path)
    return run.path


def write_timeline(run: Run, seconds: int = 60) -> None:
    """Load over a minute, with a stall in the middle and one second without an answer."""
    rng = random.Random(11)  # noqa: S311 - sample data
    rows: list[dict[str, Any]] = []
    for second in range(seconds):
        stall = 12.0 * math.exp(-(((second - 33) / 2.2) ** 2))
        p50 = 2.3 + rng.random() * 0.5 + stall
        p99 = 8.4 + rng.random() * 4 + stall * 15
        silent = second == 47
        rows.append(
            {
                "t": second,
                "count": rng.randint(41, 58),
                "errors": rng.randint(1, 3) if 32 <= second <= 34 or silent else 0,
                "p50": None if silent else round(p50, 3),
                "p95": None if silent else round(p50 * 1.9, 3),
                "p99": None if silent else round(p99, 3),
                "max": None if silent else round(p99 * 1.3, 3),
            }
        )
    document = {"schema": 1, "unit": "ms", "url": "http://127.0.0.1:8011", "arrivals": "poisson", "seconds": rows}
    (run.path / "samples" / "load-timeline.json").write_text(json.dumps(document), encoding="utf-8")


def crowded(count: int) -> Scenario:
    """One check with very many passes that no criterion looks at."""
    lines = tuple(seen("e2e", "crowd.rule", f"GET /{number}") for number in range(count))
    return Scenario(observations=(*healthy_lines(), *lines), policy=POLICY)
