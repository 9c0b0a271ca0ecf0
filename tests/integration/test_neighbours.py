"""What another user of the machine can see or reach of a stack: ports of loopback, no secret, no file."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.model import StackInfo
from harness.stack import launch
from harness.stack.supervisor.process import owned_by
from harness.stack.supervisor.registry import data_folder, home_folder
from tests.stack_target import small_target

LISTENS = "0A"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    target = small_target(tmp_path_factory.mktemp("small"), needs=("postgres", "valkey", "smtp"))
    with launch(target, instances=2, front="tls") as started:
        yield started.info


def processes(info: StackInfo) -> set[int]:
    return owned_by(info.settings["HARNESS_STACK"], ()) | {info.supervisor_pid or 0}


def test_everything_listens_on_loopback_alone(stack: StackInfo) -> None:
    sockets = set()
    for pid in processes(stack):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            sockets.add(os.readlink(descriptor))  # noqa: PTH115 - a socket's is no path
    places = [
        place
        for table in ("tcp", "tcp6", "udp")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        for _, place, _, state in [line.split()[:4]]
        if f"socket:[{line.split()[9]}]" in sockets and (state == LISTENS or table == "udp")
    ]
    # two services, the proxy in front, Postgres, Valkey, the mail server and its mailbox
    assert len(places) == 7
    assert {place.partition(":")[0] for place in places} == {"0100007F"}


def test_no_command_line_has_a_secret_in_it(stack: StackInfo) -> None:
    urls = [urlsplit(url or "") for url in (stack.database_url, stack.redis_url)]
    secrets = [*stack.secrets.values(), *(url.password or "" for url in urls)]
    assert len(secrets) == 4
    assert all(secrets)
    for pid in processes(stack):
        command = Path(f"/proc/{pid}/cmdline").read_text()
        assert [secret for secret in secrets if secret in command] == []


def test_nobody_else_can_list_a_folder_or_read_a_file_of_a_stack(stack: StackInfo) -> None:
    mark = stack.settings["HARNESS_STACK"]
    homes = [place for place in (home_folder(mark), data_folder(mark)) if place is not None and place.is_dir()]
    assert Path(stack.state_dir).parent in homes
    for home in homes:
        # others pass through it, as the servers' user must, and see nothing
        assert stat.S_IMODE(home.stat().st_mode) == 0o711
        for inside in home.iterdir():
            assert stat.S_IMODE(inside.stat().st_mode) & 0o077 == 0, inside


COMMAND = """\
import resource, sys
from harness.cli.main import main

try:
    main()
finally:
    print(resource.getrlimit(resource.RLIMIT_CORE)[0])
"""


def test_what_crashes_leaves_no_memory_in_a_file() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most == 0:
        pytest.skip("nothing leaves a core on this machine")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "--version"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "0", done.stderr
