"""What recording costs a test: `python benchmarks/evidence.py [--rounds N] [--tests N] [--json]`.

The same trivial tests run under bare pytest and under the plugin as the gate runs it, in turns, so that a busy minute
of the machine hits both alike. What is told is processor time. Each process is also timed with one test; the
difference, by test, is what a test costs, free of start and end. The goal: at most 1 ms a test on top.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.machine.bundle import root
from harness.model import Health, Service, Target
from harness.run import create_run
from harness.stack import Stack, launch

GOAL_MS = 1.0
SERVICE = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TESTS = """\
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(number):
    assert number >= 0
"""
BARE = """\
[pytest]
addopts = --disable-plugin-autoload --import-mode=importlib
"""


def timed(*words: str) -> float:
    """Seconds of processor time that pytest and its workers take with these words: other work does not count."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    begun = spent()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, timeout=600)
    return spent() - begun


def spent() -> float:
    """Processor seconds of all children that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare(folder: Path, tests: Path, *more: str) -> float:
    """Under pytest alone."""
    return timed("-c", str(folder / "bare.ini"), "--rootdir", str(folder), *more, str(tests))


def recorded(folder: Path, tests: Path, stack: Stack, *more: str) -> float:
    """Under the plugin, with a run and a stack given, as the gate gives them."""
    run = create_run(folder, kind="gate", target=None, policy=None, commit=None, documents={"profile": {}})
    given = ["--run", str(run.path), "--stack-file", str(Path(stack.info.state_dir) / "stack.json")]
    given += ["--target", str(folder / "bench.toml")]
    seconds = timed("-c", str(root() / "pytest.ini"), "--rootdir", str(root()), *given, *more, str(tests))
    written = (run.path / "evidence.jsonl").read_text().count("\n")
    expected = int(tests.stem.rpartition("_")[2])
    if written != expected:
        raise SystemExit(f"{written} lines were written for {expected} tests: nothing was measured")
    return seconds


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    """Milliseconds that one test costs, round by round, each way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "service.py").write_text(SERVICE)
        (folder / "bare.ini").write_text(BARE)
        (folder / "bench.toml").write_text(
            'schema = 1\nname = "bench"\n[service]\ncommand = ["python", "service.py"]\n'
        )
        many, one = folder / f"test_{count}.py", folder / "test_1.py"
        many.write_text(TESTS.format(count=count))
        one.write_text(TESTS.format(count=1))
        service = Service(command=("python", "service.py"), cwd=name)
        with launch(Target(name="bench", source="", service=service, health=Health(ready="/"))) as stack:
            ways = {
                "bare pytest": lambda tests: bare(folder, tests),
                "bare pytest, 2 workers": lambda tests: bare(folder, tests, "-p", "xdist", "-n", "2"),
                "recorded": lambda tests: recorded(folder, tests, stack),
                "recorded, 2 workers": lambda tests: recorded(folder, tests, stack, "-n", "2"),
            }
            found: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, run in ways.items():
                    found[way].append((run(many) - run(one)) / (count - 1) * 1000)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds, options.tests)
    on_top = [mine - theirs for mine, theirs in zip(found["recorded"], found["bare pytest"], strict=True)]
    found["on top of bare pytest"] = on_top
    if options.json:
        sys.stdout.write(json.dumps({"goal_ms": GOAL_MS, "tests": options.tests, "ms_a_test": found}) + "\n")
        return
    for way, values in found.items():
        median, low, high = statistics.median(values), min(values), max(values)
        goal = f"  (goal: at most {GOAL_MS:g})" if way.startswith("on top") else ""
        sys.stdout.write(f"{way:24} {median:6.2f} ms a test  [{low:.2f} … {high:.2f}]{goal}\n")


if __name__ == "__main__":
    main()
