"""`pytest suites/…` here, as a QA engineer types it: DealRadar is started, or the one that runs is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.machine.bundle import root
from harness.run import load_record
from tests.suite_session import Bench, Ended


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def health(bench: Bench, workers: int) -> Ended:
    many = ("-n", str(workers)) if workers else ()
    return bench.run(str(root() / "suites" / "e2e"), "-k", "health", *many, target=False)


def harness(bench: Bench, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=root(),
        env=bench.environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout


def test_two_sessions_in_a_row_each_start_a_stack_of_their_own(bench):
    first, second = health(bench, 2), health(bench, 0)
    for ended in (first, second):
        assert ended.status == 0, ended.out + ended.err
        assert "harness: starting dealradar" in ended.err
        # of a health path without a schema, a check of bodies says that it does not apply
        assert {line["outcome"] for line in ended.lines} - {"skip"} == {"pass"}
        assert ended.document["target"] == "dealradar"
        assert load_record(ended.run).integrity.problems == ()
    assert first.document["stack"]["url"] != second.document["stack"]["url"]
    assert {line["test"] for line in first.lines} == {line["test"] for line in second.lines}


def test_a_stack_that_stays_is_used_and_left_running(bench):
    up = json.loads(harness(bench, "up", "--target", "dealradar", "--json"))
    try:
        for workers in (0, 2):
            ended = health(bench, workers)
            assert ended.status == 0, ended.out + ended.err
            assert "starting" not in ended.err
            assert ended.document["stack"]["url"] == up["url"]
        still = json.loads(harness(bench, "status", "--json"))
        assert still["url"] == up["url"]
        assert still["instances"] == up["instances"]
    finally:
        harness(bench, "down")
