"""`harness up --port`: what listens there already is used if it is the same service, else it is said what differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.stack.ports import free_port
from tests.stack_desk import Desk
from tests.stack_target import eventually, listens


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for name in ("default", "other"):
        made.run("down", "--name", name)


def git(folder: Path, *words: str) -> str:
    line = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def commit(desk: Desk) -> str:
    """The commit of the desk's sources, whose profile says where a service tells its build."""
    with desk.profile.open("a") as profile:
        profile.write('[build]\npath = "/build"\n')
    git(desk.folder, "init", "-q")
    (desk.folder / ".gitignore").write_text("state\n")
    git(desk.folder, "add", "-A")
    git(desk.folder, "commit", "-qm", "one")
    return git(desk.folder, "rev-parse", "HEAD")


@contextmanager
def stranger(desk: Desk, **env: str) -> Iterator[tuple[int, int]]:
    """Port and pid of the small service, started by somebody else; it tells its environment as JSON."""
    port = free_port()
    program = [sys.executable, str(desk.folder / "service.py")]
    with subprocess.Popen(program, env={**os.environ, "PORT": str(port), **env}, stderr=subprocess.DEVNULL) as process:
        try:
            assert eventually(lambda: listens(port))
            yield port, process.pid
        finally:
            process.terminate()


def refused(desk: Desk, *words: str) -> str:
    return desk.up(*words, status=4)[1].splitlines()[0]


def test_the_same_stack_under_another_name_is_used(desk: Desk) -> None:
    first = json.loads(desk.up("--json", "--name", "other")[0])
    port = first["url"].rpartition(":")[2]
    for mode in ("auto", "reuse"):
        out, err = desk.up("--json", "--port", port, "--mode", mode)
        assert json.loads(out) == first
        assert err == f"port {port} is served by other, which is the same: it is used\n"
    assert desk.status()["backend"] is None


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        (("--env", "MODE=two"), "but its --env is empty, not MODE=two"),
        (("--instances", "2"), "but it has 1 instances, not 2"),
        (("--mode", "fresh"), "it is the stack other (harness down --name other)"),
    ],
    ids=["settings", "instances", "fresh"],
)
def test_another_stack_at_the_port_is_said(desk: Desk, words: tuple[str, ...], differs: str) -> None:
    url = json.loads(desk.up("--json", "--name", "other")[0])["url"]
    said = refused(desk, "--port", url.rpartition(":")[2], *words)
    assert "is in use by pid" in said
    assert "it is the stack other" in said
    assert differs in said
    assert desk.status()["backend"] is None


def test_a_foreign_service_of_the_same_build_is_used(desk: Desk, commit: str) -> None:
    with stranger(desk, build=commit) as (port, pid):
        out, err = desk.up("--json", "--port", str(port))
        found = json.loads(out)
        assert (found["backend"], found["url"]) == ("attach", f"http://127.0.0.1:{port}")
        assert "which is the same: it is used" in err
        assert "logs" not in desk.up("--port", str(port), "--mode", "reuse")[0]
        said = refused(desk, "--port", str(port), "--mode", "fresh")
        assert said.startswith(f"error: port {port} on 127.0.0.1 is in use by pid {pid} (")
    assert desk.status()["backend"] is None


def test_a_foreign_service_of_another_build_is_not(desk: Desk, commit: str) -> None:
    with stranger(desk, build="1" * 40) as (port, pid):
        said = refused(desk, "--port", str(port))
        assert f"in use by pid {pid} (" in said
        assert f"it says that it is build {'1' * 40}, and the sources are {commit[:12]};" in said
    (desk.folder / "service.py").write_text((desk.folder / "service.py").read_text() + "# changed\n")
    with stranger(desk, build=commit) as (port, _):
        assert f"the sources are {commit[:12]} with changes;" in refused(desk, "--port", str(port))


def test_a_foreign_service_that_is_not_well_is_not(desk: Desk, commit: str) -> None:
    with stranger(desk, build=commit, SICK="yes") as (port, _):
        assert "GET /ready: 503;" in refused(desk, "--port", str(port))


def test_a_foreign_service_that_tells_no_build_is_not(desk: Desk) -> None:
    with stranger(desk, build="x" * 40) as (port, pid):
        said = refused(desk, "--port", str(port))
        assert f"in use by pid {pid} (" in said
        assert "not known to be small: the profile names no [build] path to ask; end that process" in said
