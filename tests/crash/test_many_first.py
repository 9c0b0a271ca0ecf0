"""Threads that are the first to decode, all at once, in fresh interpreters: none of them crashes.

`STARTS=n` is how often each command is begun; `STARTS=15` makes 200 starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import COMMANDS

PROGRAM = Path(__file__).with_name("many_first.py")
STARTS = int(os.environ.get("STARTS", "1"))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("start", range(STARTS))
def test_a_command_begins_with_threads(command, start):  # noqa: ARG001 - one start after the other
    done = subprocess.run([sys.executable, str(PROGRAM), command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
