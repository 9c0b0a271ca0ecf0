"""Criterion `startup` for a service that somebody else started: it passes once live and ready answer (DESIGN 4.7)."""

from __future__ import annotations

import time

import httpx

from harness.model import Observation, Outcome, StackInfo, Target

_PAUSE_S = 0.1


def attached_startup(target: Target, info: StackInfo) -> Observation:
    """Ask live and ready until both answer, for as long as the profile gives a request."""
    begun = time.monotonic()
    paths = [path for path in (target.health.live, target.health.ready) if path] or ["/"]
    with httpx.Client(base_url=info.url, timeout=target.service.timeout_s) as client:
        answers = {path: _ask(client, path) for path in paths}
        while any(answers.values()) and time.monotonic() - begun < target.service.timeout_s:
            time.sleep(_PAUSE_S)
            answers = {path: _ask(client, path) for path in paths}
    wrong = [f"GET {path}: {what}" for path, what in answers.items() if what]
    return Observation(
        suite="gate",
        check="startup",
        subject=info.url,
        outcome=Outcome.FAIL if wrong else Outcome.PASS,
        value=round(time.monotonic() - begun, 3),
        unit="s",
        detail={"asked": paths} | ({"message": "; ".join(wrong), "reason": "; ".join(wrong)} if wrong else {}),
    )


def _ask(client: httpx.Client, path: str) -> str:
    """What is wrong with the answer; "" if nothing is."""
    try:
        answer = client.get(path)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return "" if answer.status_code < 400 else f"status {answer.status_code}"
