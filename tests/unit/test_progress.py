"""What a terminal or a log shows of what happens: renderers only listen."""

from __future__ import annotations

import re

import pytest

from harness.cli.progress import Plain, described
from harness.model import (
    STACK_UP,
    LoadAdvanced,
    MachineAsked,
    MachineAwaited,
    Noted,
    PhaseAdvanced,
    PhaseBegan,
    PhaseEnded,
    ProgressEvent,
    StackAdvanced,
)

WAITING = "waiting for the machine: another run measures time, or is about to"
SECOND = LoadAdvanced(second=4, seconds=30, finished=200, failed=1, in_flight=3, p95_ms=8.25)
SHOWN: dict[ProgressEvent, str] = {
    Noted("cleared up"): "note  cleared up",
    StackAdvanced("starting the service"): "stack  starting the service",
    PhaseBegan("tests"): "tests  begun",
    PhaseAdvanced("tests", 2, 0): "tests  2 tests",
    PhaseAdvanced("tests", 2, 9): "tests  2/9 tests",
    PhaseEnded("tests", 1.25, completed=True): "tests  ended after 1.2 s",
    PhaseEnded("tests", 1.25, completed=False): "tests  broken off after 1.2 s",
    MachineAsked("load"): "load  waiting for the machine",
    MachineAwaited("reports"): f"reports  {WAITING}",
    MachineAwaited("tests", PhaseAdvanced("tests", 0, 0)): f"tests  {WAITING}  0 tests",
    SECOND: "load  200 answers, 1 failed, 3 waiting, p95 8.2 ms  4/30 s  50 requests/s",
}


@pytest.mark.parametrize("event", SHOWN, ids=str)
def test_an_event_in_words(event: ProgressEvent) -> None:
    assert described(event) == SHOWN[event]


def test_every_event_has_words() -> None:
    ours = {kind.__name__ for kind in ProgressEvent.__subclasses__() if kind.__module__ == "harness.model.events"}
    assert ours == {type(event).__name__ for event in SHOWN}


def test_until_the_stack_is_up_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Plain()
    for event in (
        PhaseBegan(STACK_UP),
        MachineAwaited(STACK_UP),
        StackAdvanced("starting postgres"),
        Noted("cleared up"),
        PhaseEnded(STACK_UP, 1.0, completed=True),
        PhaseAdvanced("tests", 1, 2),
    ):
        plain(event)
    assert capsys.readouterr().err == ""
    plain(PhaseBegan("tests"))
    lines = re.sub(r"^ +\d+\.\d s  ", "", capsys.readouterr().err, flags=re.MULTILINE).splitlines()
    assert lines == [
        "stack up: begun",
        f"stack up: {WAITING}",
        "stack: starting postgres",
        "note: cleared up",
        "stack up: ended after 1.0 s",
        "tests: begun",
    ]
