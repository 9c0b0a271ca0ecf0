"""Requests of many processes that are one client's: never more than the budget in a window."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import ClientIdentity, RateLimit, Service, StackInfo, Target
from harness.pytest_plugin.pacing import Pace, pace_of, unasked_refusal


@dataclass
class Time:
    """A clock that moves only when somebody sleeps or when it is told to."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def pace_at(path: Path, time: Time, budget: int = 3, window_s: float = 60.0) -> Pace:
    return Pace(path / "paced", budget, window_s, clock=time.clock, sleep=time.sleep)


def target_with(limit: RateLimit | None, address: str) -> Target:
    return Target(
        name="t", source="", service=Service(url="http://h"), ratelimit=limit, clients=ClientIdentity(address=address)
    )


def test_the_budget_is_sent_at_once_and_then_waited_for(tmp_path):
    time = Time()
    pace = pace_at(tmp_path, time)
    for _ in range(3):
        pace.wait()
    assert time.slept == []
    time.now += 20
    pace.wait()
    assert time.slept == [40.0]


@given(pauses=st.lists(st.floats(0, 50), min_size=1, max_size=60), budget=st.integers(1, 8))
def test_no_window_holds_more_than_the_budget(tmp_path_factory, pauses, budget):
    time = Time()
    folder = tmp_path_factory.mktemp("pace")
    processes = [pace_at(folder, time, budget), pace_at(folder, time, budget)]
    sent = []
    for number, pause in enumerate(pauses):
        time.now += pause
        processes[number % 2].wait()
        sent.append(time.now)
    for first, last in zip(sent, sent[budget:], strict=False):
        assert last - first >= 60.0 - 1e-6


def test_silence_is_a_whole_window_without_a_request(tmp_path):
    time = Time()
    pace = pace_at(tmp_path, time)
    pace.wait_for_silence()
    assert time.slept == []
    pace.wait()
    time.now += 10
    pace.wait_for_silence()
    assert time.slept == [50.0]


def test_after_the_limit_was_used_up_nobody_sends_for_a_window(tmp_path):
    time = Time()
    pace_at(tmp_path, time).exhaust()
    pace_at(tmp_path, time).wait()
    assert time.slept == [60.0]


PROCESS = """
import sys, time
from pathlib import Path
from harness.pytest_plugin.pacing import Pace

pace = Pace(Path(sys.argv[1]), 10, 0.5)
for _ in range(15):
    pace.wait()
    print(time.monotonic(), flush=True)
"""


def test_processes_share_one_budget(tmp_path):
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "paced")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    sent = sorted(float(line) for process in started for line in process.communicate(timeout=60)[0].split())
    assert [process.returncode for process in started] == [0, 0]
    assert len(sent) == 30
    # stamped when told, printed a little later: what is 10 apart in order lies about a window apart in time
    assert sent[-1] - sent[0] >= 2 * 0.5 - 0.1


@pytest.mark.parametrize(
    ("limit", "address", "budget"),
    [
        (RateLimit(limit=300), "none", 240),
        (RateLimit(limit=1), "none", 1),
        (RateLimit(limit=300), "x-forwarded-for", None),
        (RateLimit(limit=300), "source", None),
        (None, "none", None),
    ],
)
def test_only_a_limited_target_that_cannot_tell_clients_apart_is_paced(limit, address, budget):
    info = StackInfo(name="n", backend="attach", target="t", url="http://h", owned=False, state_dir="/nowhere")
    pace = pace_of(target_with(limit, address), info)
    assert (pace.budget if pace else None) == budget


def test_a_refusal_nobody_asked_for_says_what_to_do():
    text = unasked_refusal(target_with(RateLimit(limit=300), "none"), "GET http://h/x")
    assert text.startswith("GET http://h/x was refused with 429 though")
    assert "paced below 300 in 60 s" in text
    assert "run again alone, or tell clients apart by [clients]" in text
