"""A supervisor that was killed while the harness lives: the harness clears up itself, and says what happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.stack import launch
from tests.stack_target import eventually, folders_of, marked_processes, small_target


def test_the_harness_clears_up_for_a_killed_supervisor(tmp_path: Path) -> None:
    stack = launch(small_target(tmp_path, needs=("postgres",), env={"CHILDREN": "2"}))
    mark, supervisor = stack.info.settings["HARNESS_STACK"], stack.info.supervisor_pid
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    # the service's children, in sessions of their own, are left
    assert eventually(lambda: len(marked_processes(mark)) == 2)
    with pytest.raises(StackError, match=f"supervisor {supervisor} of stack {mark} (was killed|died)"):
        stack.start_instance({})
    stack.stop()
    assert marked_processes(mark) == []
    assert folders_of(mark) == []
