"""A few kills of the storm; `python -m tests.crash.storm 100` is the whole of it, by hand.

No test has a time for all its kills: how long gates take is the machine's affair. Each kill has its own, and each
wait in it.
"""

from __future__ import annotations

import os
import secrets

import pytest

from tests.crash.storm import Command, storm

KILLS = max(3, int(os.environ.get("CRASHES", "8")) // 3)
"""Three storms have as many kills together as launches are killed."""
SEED = int(os.environ.get("CRASH_SEED", "0")) or secrets.randbelow(2**32)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("command", ["gate", "up"])
def test_what_is_killed_at_any_moment_leaves_nothing(command: Command) -> None:
    kills = storm(KILLS, SEED, command=command)
    left = {f"{kill.moment:.3f} s, {kill.phase}": kill.left for kill in kills if kill.left}
    assert left == {}, f"seed {SEED}"


@pytest.mark.timeout(0)
def test_what_we_lose_of_ourselves_is_never_a_no_go_and_leaves_nothing() -> None:
    kills = list(storm(KILLS, SEED, victims="any"))
    bad = {f"{kill.moment:.3f} s, {kill.phase}": (kill.wrong, kill.left) for kill in kills if kill.wrong or kill.left}
    assert bad == {}, f"seed {SEED}"
