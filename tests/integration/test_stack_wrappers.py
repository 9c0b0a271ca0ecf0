"""A service that a wrapper starts comes up, and goes whole: it may live in a session, a group or an environment that
its wrapper is not in (Yelp/dumb-init#191)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StartupError
from harness.stack import launch
from harness.stack.liveness import ended_processes
from harness.stack.supervisor.process import is_alive
from tests.stack_target import eventually, listens, marked_processes, small_target

OWN_SESSION = """\
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "service.py"], start_new_session=True)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda n, _: child.send_signal(n))
sys.exit(child.wait())
"""
OWN_GROUP = OWN_SESSION.replace("start_new_session=True", "process_group=0")
DEAF = """\
import os, subprocess, sys
service = [sys.executable, "service.py"]
subprocess.Popen(service, start_new_session=True).wait()
"""
CLEAN_ENVIRONMENT = DEAF.replace("start_new_session", 'env={"PORT": os.environ["PORT"]}, start_new_session')
MIDDLEMAN_GONE = """\
import signal, subprocess, sys
middle = "import subprocess, sys; subprocess.Popen([sys.executable, 'service.py'], start_new_session=True)"
subprocess.run([sys.executable, "-c", middle], check=True)
signal.pause()
"""
WRAPPERS = {
    "session": OWN_SESSION,
    "group": OWN_GROUP,
    "deaf": DEAF,
    "clean environment": CLEAN_ENVIRONMENT,
    "middleman gone": MIDDLEMAN_GONE,
}
SHELLS = {
    "background": f"{sys.executable} service.py & wait",
    "setsid": f"setsid {sys.executable} service.py & wait",
    "gone at once": f"setsid {sys.executable} service.py &",
    "daemon": f"(setsid setsid {sys.executable} service.py &) ; sleep 0.2",
    "two of them": f"sh -c 'setsid {sys.executable} service.py & wait' & wait",
}


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].split("/")[0])


def wrapped(folder: Path, wrapper: str) -> tuple[str, ...]:
    if wrapper in SHELLS:
        return ("sh", "-c", SHELLS[wrapper])
    (folder / "wrapper.py").write_text(WRAPPERS[wrapper])
    return ("python", "wrapper.py")


@pytest.mark.parametrize("wrapper", [*WRAPPERS, *SHELLS])
def test_it_comes_up_and_goes_whole(tmp_path: Path, wrapper: str) -> None:
    target = small_target(tmp_path, command=wrapped(tmp_path, wrapper))
    with launch(target) as stack:
        mark = stack.info.settings["HARNESS_STACK"]
        first = port_of(stack.info.url)
        assert ended_processes(stack) == {}
        second = stack.start_instance({})
        assert listens(port_of(second.url))
        stack.stop_instance(second)
        # at once, for the next one may want its port; and nothing of the other copy
        assert not listens(port_of(second.url))
        assert listens(first)
    assert not listens(first)
    assert marked_processes(mark) == []


def test_one_that_is_ready_before_its_command_ends_is_what_that_leaves(tmp_path: Path) -> None:
    command = ("sh", "-c", f"setsid {sys.executable} service.py & until [ -e ready ]; do sleep 0.05; done")
    with launch(small_target(tmp_path, command=command)) as stack:
        name = stack.info.instances[0].name
        shell = stack.backend.pid(name)
        (tmp_path / "ready").touch()
        assert eventually(lambda: not is_alive(shell))
        # the supervisor tells of the heir a moment after the shell is gone
        assert eventually(lambda: ended_processes(stack) == {} and stack.backend.pid(name) != shell)
    assert not listens(port_of(stack.info.url))


@pytest.mark.parametrize("wrapper", ["session", "deaf", "middleman gone", "gone at once"])
def test_one_that_is_killed_is_killed_with_its_service(tmp_path: Path, wrapper: str) -> None:
    with launch(small_target(tmp_path, command=wrapped(tmp_path, wrapper))) as stack:
        port, name = port_of(stack.info.url), stack.info.instances[0].name
        stack.backend.signal(name, "KILL")
        assert eventually(lambda: stack.backend.exit_status(name) == -signal.SIGKILL)
        assert eventually(lambda: not listens(port))
        stack.backend.start_again(name)
        assert eventually(lambda: listens(port))


def test_a_command_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """What it had started holds the port, and is no neighbour who took it."""
    left = ("sh", "-c", f"setsid {sys.executable} service.py & sleep 1; exit 3")
    with pytest.raises(StartupError, match=r"exited with status 3"):
        launch(small_target(tmp_path, command=left, env={"SICK": "1"}))


FIRST_THREAD_GONE = """\
import ctypes, socket, threading
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    while True:
        listener.accept()[0].close()
print(listener.getsockname()[1], flush=True)
threading.Thread(target=serve).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_one_whose_first_thread_has_ended_lives_until_the_last_has() -> None:
    """Linux shows its first thread as a zombie, and the others still hold what it listens on."""
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_GONE], stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        port = int(served.stdout.readline())
        assert eventually(lambda: first_thread_state(served.pid) == "Z")
        assert listens(port)
        assert is_alive(served.pid)
        served.kill()
        assert eventually(lambda: not is_alive(served.pid))
        assert not listens(port)


def first_thread_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
