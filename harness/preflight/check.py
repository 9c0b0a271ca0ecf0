"""What a readiness check is, and how one is run: always with a deadline, always with its time.

A check that found something wrong is `fail`; one that could not ask (a server that is down or frozen, a check that
crashed) is `error`; what there is nothing to ask of is `skip`, with the reason.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.model import Observation, Outcome, StackInfo, Target

SUITE = "preflight"
DEADLINE_S = 5.0
"""A check that has no answer by then has its answer: a frozen server must not freeze the harness. What asks the
service itself has, on top, the time that the profile gives it for each request
(docs/policy.md#whose-fault-a-failure-is: within it, it may be slow).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a check may look at."""

    target: Target
    info: StackInfo
    folders: tuple[str, ...] = ()
    """Folders that the harness itself is going to write to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessFinding:
    """What a check has to say; `message` is one line for a release manager, `remedy` what to do about it."""

    outcome: Outcome
    message: str
    subject: str = ""
    value: float | None = None
    unit: str = ""
    n: int = 1
    remedy: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


Ask = Callable[[Scene], ReadinessFinding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A readiness check, as a module of `checks` registers it in its `CHECKS`."""

    id: str
    """Stable, as policies select it."""
    title: str
    subject: str
    ask: Ask
    order: int
    """Its place among all checks, asked and shown: in tens, so that another one fits between."""
    live: bool = False
    """Whether it asks the running stack, and writes nothing there; the others are asked before the start."""
    requests: int = 0
    """How many requests to the service it may make, one after the other."""
    starts: bool = False
    """Whether it starts copies of the service, side by side, or programs that may take as long."""

    @property
    def blank(self) -> Observation:
        """Its observation before anything was asked."""
        return Observation(suite=SUITE, check=self.id, subject=self.subject, outcome=Outcome.ERROR)


class CannotAskError(Exception):
    """A check could not be made; the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def fine(message: str, **more: Any) -> ReadinessFinding:  # noqa: ANN401 - ReadinessFinding's own fields
    """It was asked, and it is right."""
    return ReadinessFinding(outcome=Outcome.PASS, message=message, **more)


def wrong(message: str, remedy: str, **more: Any) -> ReadinessFinding:  # noqa: ANN401 - ReadinessFinding's own fields
    """It was asked, and it is wrong."""
    return ReadinessFinding(outcome=Outcome.FAIL, message=message, remedy=remedy, **more)


def timed(seconds: float, detail: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a finding that took so long."""
    return {"value": seconds, "unit": "s", "detail": detail}


def nothing_to_ask(reason: str) -> ReadinessFinding:
    """The target has no such thing: neither good nor bad, and no part of the score."""
    return ReadinessFinding(outcome=Outcome.SKIP, message=reason, detail={"reason": reason, "counts": False})


def unknown(reason: str) -> ReadinessFinding:
    """The thing may be there, but nothing of it is known here: not proven, and part of the score."""
    return ReadinessFinding(outcome=Outcome.SKIP, message=reason, detail={"reason": reason, "counts": True})


def absent(target: Target, key: str, otherwise: str) -> ReadinessFinding:
    """Nothing to ask, because the profile says so under `[absent]`, or because it names nothing (`otherwise`)."""
    said = target.absent.get(key)
    return nothing_to_ask(f"not applicable: {said}" if said is not None else otherwise)


def first_few(texts: Sequence[str], most: int, *, between: str = "; ", then: str = "; and") -> str:
    """The first texts in a line, and how many more there are."""
    left = len(texts) - most
    return between.join(texts[:most]) + (f"{then} {left} more" if left > 0 else "")


def run_check(check: Check, scene: Scene, deadline_s: float = DEADLINE_S) -> Observation:
    """Ask, for a bounded time; whatever happens becomes an observation with its time.

    The check runs in a thread of its own, which is left behind if it hangs: no client library can be trusted to come
    back from every frozen server.
    """
    answers: list[ReadinessFinding] = []

    def ask() -> None:
        try:
            answers.append(check.ask(scene))
        except CannotAskError as error:
            answers.append(ReadinessFinding(outcome=Outcome.ERROR, message=str(error), remedy=error.remedy))
        except Exception as error:  # noqa: BLE001 - one check that crashes must not hide what the others found
            text = f"the check itself failed: {type(error).__name__}: {' '.join(str(error).split())}"
            answers.append(
                ReadinessFinding(outcome=Outcome.ERROR, message=text, remedy="this is a fault of the harness")
            )

    service = scene.target.service
    patience_s = deadline_s + check.requests * service.timeout_s + check.starts * service.start_timeout_s
    begun = time.perf_counter()
    thread = threading.Thread(target=ask, name=check.id, daemon=True)
    thread.start()
    thread.join(patience_s)
    seconds = time.perf_counter() - begun
    late = ReadinessFinding(
        outcome=Outcome.ERROR,
        message=f"no answer within {patience_s:g} s",
        remedy="the server accepts connections but does not answer: look at its log, or start the stack anew",
    )
    return _observation(check, answers[0] if answers else late, seconds)


def _observation(check: Check, found: ReadinessFinding, seconds: float) -> Observation:
    said: dict[str, Any] = {"title": check.title, "message": found.message, "seconds": round(seconds, 6)}
    if found.remedy:
        said["remedy"] = found.remedy
    if found.outcome is Outcome.FAIL:
        said["reason"] = found.message
    return replace(
        check.blank,
        subject=found.subject or check.blank.subject,
        outcome=found.outcome,
        value=found.value,
        unit=found.unit,
        n=found.n,
        detail={**said, **found.detail},
    )
