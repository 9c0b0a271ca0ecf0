"""Criterion `startup`: a service of ours came up or did not, one of somebody else answers or does not
(docs/policy.md#whose-fault-a-failure-is); and whether what came up was still there, and still the same build, at the
end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.errors import GroundError, StartupError
from harness.model import Instance, Observation, Outcome, StackInfo, Target, Worker
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.patience import count_waits, is_silent
from harness.probes.reach import place_of
from harness.runner.checks import GateCheck
from harness.stack import Stack
from harness.stack.build import reported_build
from harness.stack.ground import doubted, ground_problem
from harness.stack.liveness import ended_processes, processes_of
from harness.stack.readiness import tail

_PAUSE_S = 0.1
_ERRORS_FROM = {True: 400, False: 500}
"""The first status that is no answer, by whether the profile names a path: a bare `/` may well be unknown to an API."""


def startup_passed(info: StackInfo, seconds: float) -> Observation:
    """A service of ours was ready `seconds` after the order to start it."""
    return _startup(info.url, Outcome.PASS, seconds, {"parts": dict(info.timings)})


def startup_failed(subject: str, error: StartupError) -> Observation:
    """A service of ours exited or never got ready while its stack answered."""
    detail = {"message": error.message, "reason": error.message, "log": error.output}
    return _of_gate(GateCheck.STARTUP, subject, Outcome.FAIL, detail)


def still_running(stack: Stack) -> tuple[Observation, ...]:
    """Whether each process of a service of ours lives, now that all was asked of it: a worker that ends is missed by
    nobody else."""
    info = stack.info
    if not info.owned:
        reason = "started by somebody else: its processes are not known here"
        return (_of_gate(GateCheck.PROCESS_LIVES, info.url, Outcome.SKIP, {"reason": reason}),)
    try:
        ended = ended_processes(stack)
        problem = ground_problem(info)
    except GroundError as error:
        ended, problem = {}, error.message
    if problem is not None:
        # what became of them says nothing of the service, and what was seen before that still counts
        return (_unknown(GateCheck.PROCESS_LIVES, info.url, problem),)
    return tuple(_life(process, ended.get(process.name)) for process in processes_of(info))


def _life(process: Instance | Worker, how: str | None) -> Observation:
    """Whether it lives; `how` is in what way it ended, None if it did not."""
    if how is None:
        return _of_gate(GateCheck.PROCESS_LIVES, process.name, Outcome.PASS, {})
    detail = {"reason": f"{process.name} {how}", "log": tail(Path(process.log))}
    return _of_gate(GateCheck.PROCESS_LIVES, process.name, Outcome.FAIL, detail)


def build_changed(target: Target, info: StackInfo) -> tuple[Observation, ...]:
    """That a service of somebody else is no longer the build that it said it was; nothing while it says the same.

    One that is deployed in mid-run leaves evidence of two builds.
    """
    if info.owned or info.build.kind != "reported":
        return ()
    now = reported_build(target, info.url)
    if now == info.build:
        return ()
    said = f"build {now.id}" if now.id else "nothing of its build"
    reason = f"the service was build {info.build.id} when the run began and says {said} at its end: evidence of two"
    return (_unknown(GateCheck.BUILD_CHANGED, info.url, reason),)


def attached_startup(target: Target, info: StackInfo) -> Observation:
    """Ask live and ready until both answer, for as long as the profile gives a request."""
    if place := place_of(info.url):
        count_waits(place, info.state_dir)
    begun = time.monotonic()
    named = [path for path in (target.health.live, target.health.ready) if path]
    paths, wrong_from = named or ["/"], _ERRORS_FROM[bool(named)]
    with RecordingClient(info.url, timeout_s=target.service.timeout_s, ca_file=info.ca_file, keep=1) as client:
        wrong = _wrong_answers(client, paths, wrong_from)
        while wrong and time.monotonic() - begun < target.service.timeout_s:
            time.sleep(_PAUSE_S)
            wrong = _wrong_answers(client, paths, wrong_from)
    detail = {"asked": paths} | (dict.fromkeys(("message", "reason"), "; ".join(wrong)) if wrong else {})
    seen = _startup(info.url, Outcome.FAIL if wrong else Outcome.PASS, time.monotonic() - begun, detail)
    return doubted([seen], info)[0]


def _startup(url: str, outcome: Outcome, seconds: float, detail: Mapping[str, object]) -> Observation:
    return replace(_of_gate(GateCheck.STARTUP, url, outcome, detail), value=round(seconds, 3), unit="s")


def _unknown(check: GateCheck, subject: str, reason: str) -> Observation:
    return _of_gate(check, subject, Outcome.ERROR, {"reason": reason, "message": reason})


def _of_gate(check: GateCheck, subject: str, outcome: Outcome, detail: Mapping[str, object]) -> Observation:
    return Observation(suite="gate", check=check, subject=subject, outcome=outcome, detail=detail)


def gives_no_answer(info: StackInfo) -> bool:
    """Was a service of somebody else, when it was last asked by this process, waited for in vain?"""
    place = place_of(info.url)
    return not info.owned and place is not None and is_silent(place)


def _wrong_answers(client: RecordingClient, paths: Iterable[str], wrong_from: int) -> list[str]:
    answers = {path: _ask(client, path, wrong_from) for path in paths}
    return [f"GET {path}: {what}" for path, what in answers.items() if what]


def _ask(client: RecordingClient, path: str, wrong_from: int) -> str:
    """What is wrong with the answer; "" if nothing is."""
    try:
        answer = client.exchange("GET", path)
    except ServiceUnavailable as error:
        return error.what
    except UnfitAnswer as error:
        return str(error)
    return "" if answer.status < wrong_from else f"status {answer.status}"
