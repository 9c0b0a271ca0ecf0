"""What goes wrong with a stack in containers is said in one line, and is nobody else's fault."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from harness.errors import GroundError, StackError, StartupError
from harness.stack import launch
from harness.stack.docker import backend
from harness.stack.docker import engine as docker_engine
from harness.stack.docker.engine import connect_engine
from tests.docker_target import target_in


@pytest.mark.usefixtures("engine")
def test_a_service_that_exits_is_a_startup_error_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="exited with status 7") as caught:
        launch(target_in(tmp_path, env={"FAIL": "7"}), backend="docker")
    assert "the service begins" in caught.value.output


@pytest.mark.usefixtures("engine")
def test_a_service_that_never_gets_ready_is_a_startup_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"not ready after .* \(GET /ready: 503\)") as caught:
        launch(target_in(tmp_path, env={"SICK": "1"}, start_timeout_s=1.0), backend="docker")
    assert "the service begins" in caught.value.output


@pytest.mark.usefixtures("engine")
def test_a_command_that_the_image_does_not_have_is_a_startup_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="no-such-program") as caught:
        launch(target_in(tmp_path, command=("no-such-program",)), backend="docker")
    assert "\n" not in caught.value.message


@pytest.mark.usefixtures("engine")
def test_a_taken_port_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} on 127.0.0.1 is in use"):
            launch(target_in(tmp_path), backend="docker", port=port)
        # taken between the look and the start: then the daemon is who finds out
        monkeypatch.setattr(backend, "is_free", lambda _port: True)
        with pytest.raises(StackError, match=f"port {port} on 127.0.0.1 is in use") as caught:
            launch(target_in(tmp_path), backend="docker", port=port)
        assert not isinstance(caught.value, StartupError)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("unix://{folder}/none.sock", r"no Docker daemon: .*/none.sock does not exist; install and start Docker"),
        ("unix://{folder}/silent.sock", r"no Docker daemon answers at .*/silent.sock \(.*refused\); start it"),
        ("tcp://127.0.0.1:9", r"DOCKER_HOST is tcp://127.0.0.1:9: .*only a unix:// socket"),
    ],
)
def test_without_a_daemon_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, says: str
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent.sock"))
    monkeypatch.setenv("DOCKER_HOST", host.format(folder=tmp_path))
    with pytest.raises(StackError, match=says) as caught:
        launch(target_in(tmp_path), backend="docker")
    assert "\n" not in caught.value.message


def test_a_daemon_that_hangs_is_told_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "daemon.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(docker_engine, "_FIRST_SECONDS", 0.5)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(path))
        daemon.listen()
        begun = time.monotonic()
        with pytest.raises(GroundError, match="the Docker daemon does not answer") as caught:
            connect_engine()
        assert time.monotonic() - begun < 30, "what later requests are given is for one that is there"
    assert "\n" not in caught.value.message


def test_a_daemon_that_lets_go_is_no_fault_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "daemon.sock"
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(path))
        daemon.listen()
        child = os.fork()
        if child == 0:
            while True:
                daemon.accept()[0].close()
        try:
            monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
            with pytest.raises(GroundError, match="the Docker daemon does not answer"):
                connect_engine()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
