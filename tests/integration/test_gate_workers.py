"""What a gate says of a worker of the target that ends while it is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gate_target import POLICY, Small, make_small

LIVES = """
[[criterion]]
id = "lives"
area = "startup"
requires = "Nothing ends by itself."
select = { check = "process.lives" }
"""
WORKERS = """
[workers]
command = ["python", "work.py"]
count = 2
ready = "at work"
"""
WORK = """\
import os, pathlib, sys, time
print("at work", flush=True)
order = pathlib.Path(os.environ["ORDERS"])
while True:
    try:
        order.rename(f"{order}.taken")
    except FileNotFoundError:
        time.sleep(0.01)
    else:
        print("cannot go on", flush=True)
        sys.exit(3)
"""
SUITE = """\
import pathlib, pytest
from harness.pytest_plugin.polling import eventually

@pytest.mark.check("own.order")
def test_the_order_is_taken(client):
    assert client.get("/").status_code == 200
    if {ordered}:
        pathlib.Path(r"{order}").touch()
        eventually(pathlib.Path(r"{order}.taken").exists, "a worker took the order", seconds=20)
"""


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """The small service with two workers, one of which ends when it gets an order."""
    made = make_small(tmp_path / "small", f'env = {{ ORDERS = "{tmp_path}/order" }}')
    without = re.sub(r"^workers = .*\n", "", made.profile.read_text(), flags=re.MULTILINE)
    made.profile.write_text(without + WORKERS)
    (made.folder / "work.py").write_text(WORK)
    made.policy.write_text(POLICY + LIVES)
    return made


def gate(small: Small, *, ordered: bool) -> dict[str, tuple[str, str]]:
    """Outcome and reason of each process's line."""
    small.suite(SUITE.format(order=small.folder.parent / "order", ordered=ordered))
    small.harness("gate", *small.aimed, "-n", "1")
    found = [line for line in small.evidence() if line["check"] == "process.lives"]
    assert small.left() == []
    return {line["subject"]: (line["outcome"], line["detail"].get("reason", "")) for line in found}


def test_a_worker_that_ends_is_no_go_though_every_test_passed(small: Small) -> None:
    found = gate(small, ordered=True)
    verdict = small.document("verdict.json")
    status = {one["id"]: one["status"] for one in verdict["criteria"]}
    assert (verdict["verdict"], status["own"], status["lives"]) == ("NO-GO", "pass", "fail")
    assert sorted(outcome for outcome, _ in found.values()) == ["fail", "pass", "pass"]
    [(name, said)] = [(name, reason) for name, (outcome, reason) in found.items() if outcome == "fail"]
    assert said == f"{name} exited with status 3"
    [line] = [line for line in small.evidence() if line["check"] == "process.lives" and line["outcome"] == "fail"]
    assert line["detail"]["log"].splitlines() == ["at work", "cannot go on"]


def test_workers_that_live_pass(small: Small) -> None:
    found = gate(small, ordered=False)
    assert found == dict.fromkeys(("service-1", "worker-1", "worker-2"), ("pass", ""))
    assert [one["status"] for one in small.document("verdict.json")["criteria"]] == ["pass", "pass", "pass"]
