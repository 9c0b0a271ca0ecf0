"""A service that listens, and not where it was told to: the error says where (Node's `localhost` is [::1] alone)."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import StartupError
from harness.stack import launch
from tests.stack_target import small_target

LISTENS = "import socket, sys, time; s = socket.create_server({address}, family=socket.{family}); time.sleep(60)"
TAKEN = 'import os; PORT = int(os.environ["PORT"]); '


@pytest.mark.parametrize(
    ("address", "family", "says"),
    [
        ("('::1', PORT)", "AF_INET6", "it listens at [::1]:"),
        ("('127.0.0.1', PORT + 1)", "AF_INET", "it listens at 127.0.0.1:"),
        ("('127.0.0.1', PORT)", "AF_INET", ""),
    ],
)
def test_it_is_said_where_a_service_listens(tmp_path: Path, address: str, family: str, says: str) -> None:
    program = TAKEN + LISTENS.format(address=address, family=family)
    target = small_target(tmp_path, command=("python", "-c", program), start_timeout_s=4.0)
    with pytest.raises(StartupError) as failed, launch(target):
        pass
    told = str(failed.value)
    assert "was not ready" in told
    assert ("listens at" in told) == bool(says)
    assert says in told
