"""`pytest suites/…` on the stack that is up: used if it is the same and well, else passed over, with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.machine.bundle import root
from tests.suite_session import Bench

SUITE = """
    import pytest

    @pytest.mark.check("probe.lives", severity="minor", subject="/live", source="a test")
    def test_it_lives(client):
        assert client.get("/live").status_code == 200
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.suite(SUITE)
    yield made
    harness(made, "down")


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


def up(bench: Bench, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(harness(bench, "up", "--target", str(bench.profile), "--json", *words))
    return document


def test_the_same_stack_is_used(bench: Bench) -> None:
    running = up(bench)
    ended = bench.run("suites/probe")
    assert ended.status == 0, ended.out + ended.err
    assert ended.document["stack"]["url"] == running["url"]
    assert "harness:" not in ended.err


@pytest.mark.parametrize(
    ("words", "change", "said"),
    [
        (("--env", "OTHER=1"), None, "its --env is OTHER=1, not empty"),
        ((), ("timeout_s = 3", "timeout_s = 4"), "profile or source have changed since"),
        ((), ('name = "small"', 'name = "smaller"'), "its target is small, not smaller"),
    ],
)
def test_another_stack_is_left_alone_with_a_line_that_says_what_differs(
    bench: Bench, words: tuple[str, ...], change: tuple[str, str] | None, said: str
) -> None:
    running = up(bench, *words)
    if change is not None:
        bench.profile.write_text(bench.profile.read_text().replace(*change))
    ended = bench.run("suites/probe")
    assert ended.status == 0, ended.out + ended.err
    (line,) = (line for line in ended.err.splitlines() if "is up and not used" in line)
    assert line.startswith("harness: stack 'default' is up and not used: ")
    assert said in line
    assert ended.document["stack"]["url"] != running["url"]
    assert json.loads(harness(bench, "status", "--json"))["url"] == running["url"]


def test_a_stack_file_is_used_as_it_is(bench: Bench) -> None:
    running = up(bench, "--env", "OTHER=1")
    ended = bench.run("suites/probe", "--stack-file", str(bench.folder / "state/harness/stacks/default/stack.json"))
    assert ended.status == 0, ended.out + ended.err
    assert ended.document["stack"]["url"] == running["url"]
