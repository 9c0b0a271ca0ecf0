"""`harness gate --mode`: on the stack that is up if it is the same, on one of its own, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate_target import Small, make_small


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small")
    yield made
    made.harness("down", "--name", made.token)
    made.end()


def gated_on(small: Small, *words: str) -> str:
    """The name of the stack on which a gate ran."""
    ended = small.harness("gate", *small.aimed, "--name", small.token, *words)
    assert ended.returncode in (0, 3), ended.stdout + ended.stderr
    name: str = small.document("run.json")["stack"]["name"]
    return name


def up(small: Small, *words: str) -> None:
    ended = small.harness("up", "--target", str(small.profile), "--name", small.token, *words)
    assert ended.returncode == 0, ended.stderr


def test_without_a_stack_auto_starts_one_and_reuse_refuses(small: Small) -> None:
    assert gated_on(small, "--mode", "auto").startswith("run-")
    refused = small.harness("gate", *small.aimed, "--name", small.token, "--mode", "reuse")
    assert refused.returncode == 2
    assert "nothing runs under it" in refused.stderr


def test_the_same_stack_is_used_unless_a_fresh_one_is_wanted(small: Small) -> None:
    up(small)
    assert gated_on(small, "--mode", "auto") == small.token
    assert gated_on(small, "--mode", "reuse") == small.token
    assert gated_on(small, "--mode", "fresh").startswith("run-")
    assert gated_on(small).startswith("run-")
    status = small.harness("status", "--name", small.token)
    assert small.token in status.stdout


def test_another_stack_is_not_used_and_reuse_says_why(small: Small) -> None:
    up(small, "--env", "OTHER=1")
    assert gated_on(small, "--mode", "auto").startswith("run-")
    refused = small.harness("gate", *small.aimed, "--name", small.token, "--mode", "reuse")
    assert refused.returncode == 2
    assert "its --env is OTHER=1, not empty" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mode", "auto", "--stack", "attach"), "--mode auto: what is attached to is never started"),
        (("--mode", "reuse", "--port", "4000"), "what is up has its port"),
    ],
)
def test_contradictions_are_refused(small: Small, words: tuple[str, ...], said: str) -> None:
    refused = small.harness("gate", *small.aimed, *words)
    assert refused.returncode == 2
    assert said in refused.stderr
