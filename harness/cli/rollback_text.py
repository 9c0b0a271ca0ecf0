"""A rollback as it is printed, for people and as a document (docs/rollback.md#documents)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.cli.terminal import echo, echo_json
from harness.rollback import DrillResult, RollbackPlan, RollbackResult


def print_plan(plan: RollbackPlan, *, as_json: bool) -> None:
    """What would be done."""
    if as_json:
        echo_json(json.dumps(plan_document(plan), indent=1))
        return
    echo(f"rollback of stack {plan.stack} ({plan.target}), level {plan.level}: {plan.before.name} -> {plan.after.name}")
    for number, step in enumerate(plan.steps, 1):
        took = f"   ({step.expected_s:.1f} s the last time)" if step.expected_s is not None else ""
        echo(f"{number}. {step.name:<8} {step.what}{took}")
    for note in plan.notes:
        echo(note)


def print_results(results: Sequence[RollbackResult], *, as_json: bool) -> None:
    """What was done, level by level."""
    if as_json:
        echo_json(json.dumps(results_document(results), indent=1))
        return
    for result in results:
        _print_result(result)


def results_document(results: Sequence[RollbackResult]) -> dict[str, object]:
    """The last level's document, with those of the levels before it."""
    *earlier, last = results
    return result_document(last) | {"escalated_from": [result_document(each) for each in earlier]}


def _print_result(result: RollbackResult) -> None:
    for step in result.plan.steps:
        if step.name in result.seconds:
            echo(f"{step.name:<8} {result.seconds[step.name]:6.2f} s")
    recovered = "" if result.recovered_s is None else f", {result.recovered_s:.2f} s after the order"
    echo(f"release {result.plan.after.name} runs{recovered}; {_traffic_words(result)}")
    if result.verified is not None:
        checked = f"{result.verified.flows} smoke flows and {result.verified.tables} tables"
        echo(f"verified: {checked}" if not result.verified.problems else f"verified {checked}, and found:")
        for problem in result.verified.problems:
            echo(f"  {problem}")


def print_drill(result: DrillResult, run: Path, *, as_json: bool) -> None:
    """What a drill showed."""
    if as_json:
        echo_json(json.dumps({"run": run.name} | drill_document(result), indent=1))
        return
    echo(f"the planted release was noticed after {result.noticed_s:.2f} s: {result.noticed[0]}")
    if result.alerted.began_s is not None:
        echo(f"the alert came after {result.alerted.began_s:.2f} s: {result.alerted.text}")
    _print_result(result.rollback)
    if result.alerted.ended_s is not None:
        echo(f"the alert ended {result.alerted.ended_s:.2f} s after the order")
    echo("the drill found nothing wrong" if not result.problems else "the drill found:")
    for problem in result.problems:
        echo(f"  {problem}")
    echo(f"run: {run}")


def plan_document(plan: RollbackPlan) -> dict[str, object]:
    """The document of `rollback --plan --json`. Values of settings are in none: they may be secrets."""
    return {
        "stack": plan.stack,
        "target": plan.target,
        "level": plan.level,
        "from": plan.before.name,
        "to": plan.after.name,
        "steps": [{"step": step.name, "what": step.what, "expected_s": step.expected_s} for step in plan.steps],
        "expected_s": plan.expected_s,
        "notes": list(plan.notes),
    }


def result_document(result: RollbackResult) -> dict[str, object]:
    """The document of `rollback --json`."""
    verified, traffic = result.verified, result.traffic
    return {
        "stack": result.plan.stack,
        "level": result.plan.level,
        "from": result.plan.before.name,
        "to": result.plan.after.name,
        "outcome": result.outcome,
        "steps": [{"step": name, "seconds": round(seconds, 3)} for name, seconds in result.seconds.items()],
        "recovered_s": result.recovered_s,
        "requests": traffic.requests,
        "failed": traffic.failed,
        "down_s": traffic.down_s,
        "first_failure": traffic.first_failure,
        "problems": list(verified.problems) if verified else [],
        "changed_tables": list(verified.changed) if verified else [],
    }


def drill_document(result: DrillResult) -> dict[str, object]:
    """The document of `rollback --drill --json`."""
    return {
        "level": result.level,
        "ok": not result.problems,
        "noticed": list(result.noticed),
        "noticed_s": result.noticed_s,
        "alert": msgspec.to_builtins(result.alerted),
        "rto_s": result.rollback.recovered_s,
        "rollback": result_document(result.rollback),
        "acknowledged": msgspec.to_builtins(result.acknowledged),
        "put_back": [{"step": name, "seconds": round(seconds, 3)} for name, seconds in result.put_back.items()],
        "problems": list(result.problems),
    }


def _traffic_words(result: RollbackResult) -> str:
    traffic = result.traffic
    first = f" (the first: {traffic.first_failure})" if traffic.failed else ""
    return f"{traffic.failed} of {traffic.requests} requests failed{first}, {traffic.down_s:.2f} s without service"
