"""Real Locust against real sockets: what a closed loop would miss, what breaks, what is left behind."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.load import ALL, GeneratorError, LoadPlan, Request, Stage, run_load
from harness.load.observations import observations
from harness.load.samples import Samples
from harness.model import Outcome
from tests.histograms import histogram_quantile

SERVER = Path(__file__).with_name("load_server.py")
PATIENT = {"lateness_limit_s": 5.0, "seed": 11}
"""For tests of something else than the generator's punctuality: the machine may be busy with other tests."""


@pytest.fixture
def server():
    process = subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.communicate()


def plan(url, *paths, rate=100.0, seconds=2.0, **words):
    return LoadPlan(
        url=url,
        requests=tuple(Request(path=path) for path in paths),
        stages=(Stage(rate=rate, seconds=seconds),),
        **PATIENT | words,
    )


def gone(pid):
    """Wait for a process to end; False if it does not."""
    try:
        psutil.Process(pid).wait(timeout=10)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_a_stall_shows_in_the_tail(server, tmp_path):
    result = run_load(plan(server, "/stall", rate=200, seconds=5.0, seed=3), folder=tmp_path)
    # of 2.5 s the server stands still for 0.5: a fifth of all arrivals wait, the worst of them for half a second
    assert result.endpoints[ALL].latency["p99"].value >= 400
    assert result.endpoints[ALL].latency["p50"].value < 200
    # and the schedule went on all the while: whoever waits for answers sends as late as they come
    assert result.generator.lateness_p99_ms < result.endpoints[ALL].latency["p99"].value / 2
    assert result.canary.seen
    assert not result.inconclusive
    assert max(second.max for second in result.timeline) >= 400


def test_what_takes_four_times_as_long_shows_as_longer(server, tmp_path):
    result = run_load(plan(server, "/wait/20", "/wait/80"), folder=tmp_path)
    quick, slow = (result.endpoints[f"GET /wait/{ms}"].latency["p50"].value for ms in (20, 80))
    assert quick >= 20
    assert slow >= 80
    assert slow / quick > 1.5


def test_answers_of_every_shape_are_read_and_failures_called_by_name(server, tmp_path):
    hinted = ("/interim", "/hints", "/hints-until-close")
    good = ("/ok", "/chunked", "/until-close", *hinted, "/once", "/forget", "/status/304", "/status/204")
    bad = {
        "/status/503": "status 503",
        "/status/404": "status 404",
        "/status/429": "shed",
        "/cut": "cut",
        "/garbage": "protocol",
        "/never": "timeout",
    }
    result = run_load(plan(server, *good, *bad, rate=150, seconds=2.0, timeout_s=1.0), folder=tmp_path)
    for path in good:
        endpoint = result.endpoints[f"GET {path}"]
        assert endpoint.count > 0
        assert endpoint.kinds == {}, path
    for path, kind in bad.items():
        endpoint = result.endpoints[f"GET {path}"]
        assert endpoint.kinds == {kind: endpoint.count}, path
    assert result.endpoints["GET /never"].latency["p50"].value >= 1000
    assert result.endpoints["GET /cut"].latency == {}
    assert result.generator.connections < result.endpoints[ALL].count
    assert result.endpoints[ALL].errors == sum(result.endpoints[f"GET {path}"].count for path in bad)


def test_nobody_there_is_refused(tmp_path):
    result = run_load(plan("http://127.0.0.1:1", "/"), folder=tmp_path)
    assert result.endpoints[ALL].kinds == {"refused": result.endpoints[ALL].count}
    assert result.endpoints[ALL].latency == {}
    rate = next(seen for seen in observations(result) if seen.check == "load.errors")
    assert rate.value == 1.0


def test_arrivals_beyond_the_bound_are_dropped_and_counted(server, tmp_path):
    result = run_load(plan(server, "/wait/500", seconds=2.0, max_in_flight=5), folder=tmp_path)
    assert result.dropped > 0
    assert result.dropped + result.generator.sent == result.generator.expected
    assert result.endpoints[ALL].kinds == {"dropped": result.dropped}
    assert not result.complete
    completed = next(seen for seen in observations(result) if seen.check == "load.completed")
    assert completed.outcome is Outcome.ERROR


def test_a_killed_locust_is_an_error_and_no_figures(server, tmp_path):
    pids = []

    def kill(_):
        os.kill(pids[-1], signal.SIGKILL)

    with pytest.raises(GeneratorError, match="killed by signal 9 before it was done"):
        run_load(plan(server, "/ok", seconds=20.0), folder=tmp_path, listen=kill, on_start=pids.append)
    assert not (tmp_path / "samples" / "load.npz").exists()
    assert all(gone(pid) for pid in pids)


def test_a_crashed_locust_shows_its_last_words(tmp_path):
    # a name that no resolver knows (RFC 6761)
    with pytest.raises(GeneratorError, match="ended with status 1") as caught:
        run_load(plan("http://nobody.invalid", "/"), folder=tmp_path)
    assert "gaierror" in caught.value.output


def test_a_generator_that_was_held_up_says_so(server, tmp_path):
    pids = []

    def hold_up(event):
        if event.second == 1:
            os.kill(pids[-1], signal.SIGSTOP)
            deadline = time.monotonic() + 0.6
            while time.monotonic() < deadline:
                signal.sigtimedwait([], 0.1)
            os.kill(pids[-1], signal.SIGCONT)

    result = run_load(
        plan(server, "/ok", seconds=3.0, lateness_limit_s=0.1), folder=tmp_path, listen=hold_up, on_start=pids.append
    )
    assert result.generator.lateness_p99_ms > 100
    assert result.inconclusive.startswith("the generator was late")
    assert [seen.outcome for seen in observations(result) if seen.check == "load.generator"] == [Outcome.ERROR]
    # the service answered at once, and is not blamed
    assert result.endpoints[ALL].service_ms["p50"] < 100


@pytest.mark.parametrize(("address", "begins"), [("source", "127."), ("x-forwarded-for", "10."), ("none", "127.0.0.1")])
def test_the_server_sees_as_many_clients_as_there_are(server, tmp_path, address, begins):
    clients = 1 if address == "none" else 9
    run_load(plan(server, "/ok", seconds=1.0, address=address, clients=clients), folder=tmp_path)
    with contextlib.closing(http.client.HTTPConnection(server.removeprefix("http://"), timeout=10)) as connection:
        connection.request("GET", "/seen")
        seen = set(connection.getresponse().read().decode().split())
    # whoever asks for the list is on it
    if address != "none":
        seen.discard("127.0.0.1")
    assert len(seen) == clients
    assert all(one.startswith(begins) for one in seen)


def test_workers_send_the_same_arrivals_together(server, tmp_path):
    result = run_load(plan(server, "/ok", "/wait/1", workers=2), folder=tmp_path / "two")
    alone = run_load(plan(server, "/ok", "/wait/1", canary=False), folder=tmp_path / "one")
    assert result.generator.sent == result.generator.expected == alone.generator.sent
    two, one = (Samples.load(tmp_path / name / "samples" / "load.npz") for name in ("two", "one"))
    assert two.due.tolist() == one.due.tolist()
    assert two.request.tolist() == one.request.tolist()


def test_capacity_ends_at_the_knee_and_names_whose_it_is(server, tmp_path):
    stages = tuple(Stage(rate=rate, seconds=2.0, name=f"{rate}/s") for rate in (20, 50, 400, 800))
    steps = LoadPlan(url=server, requests=(Request(path="/slow"),), stages=stages, stop_at_knee=True, **PATIENT)
    result = run_load(steps, folder=tmp_path)
    assert [step.name for step in result.steps] == ["20/s", "50/s", "400/s"]
    assert result.sustained_rps == 50
    assert result.limited_by == "service"
    assert result.ended_early.startswith("400/s: ")
    assert result.generator.reached < result.generator.expected
    assert not result.inconclusive
    # the figures are those of the steps that were sustained
    assert result.endpoints[ALL].count < 200


def test_the_files_hold_what_the_result_says(server, tmp_path):
    result = run_load(plan(server, "/wait/5"), folder=tmp_path)
    kept = tmp_path / "samples"
    assert sorted(path.name for path in kept.iterdir()) == [
        "load-histogram.json",
        "load-plan.json",
        "load-timeline.json",
        "load.npz",
    ]
    p99 = result.endpoints[ALL].latency["p99"].value
    assert histogram_quantile(json.loads((kept / "load-histogram.json").read_bytes()), 0.99) == pytest.approx(
        p99, rel=0.002
    )
    seconds = json.loads((kept / "load-timeline.json").read_bytes())["seconds"]
    assert sum(second["count"] for second in seconds) == result.generator.expected
    assert len(Samples.load(kept / "load.npz")) == result.generator.expected


def test_a_killed_harness_leaves_no_generator_and_no_canary(server, tmp_path):
    program = (
        "import sys; from pathlib import Path; from harness.load import *;"
        f"plan = LoadPlan(url={server!r}, requests=(Request(path='/ok'),), stages=(Stage(rate=20, seconds=60),));"
        f"run_load(plan, folder=Path({str(tmp_path)!r}), listen=lambda _: print('beat', flush=True),"
        " on_start=lambda pid: print(pid, flush=True))"
    )
    harness = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    pids = [int(harness.stdout.readline()) for _ in range(2)]
    assert harness.stdout.readline() == b"beat\n"
    harness.kill()
    harness.communicate()
    assert all(gone(pid) for pid in pids)


def test_the_harness_itself_never_imports_gevent():
    program = (
        "import sys, harness.load, harness.load.observations, harness.load.scenario; print('gevent' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
