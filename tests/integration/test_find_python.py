"""Which Python sets things up: a new enough one, whatever else lies on PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "setup" / "find-python"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The only folder of PATH."""
    shell = shutil.which("sh")
    assert shell is not None
    (tmp_path / "sh").symlink_to(shell)
    return tmp_path


def _python(folder: Path, name: str, *, new_enough: bool, complete: bool) -> None:
    """A stand-in that answers the script's two questions."""
    path = folder / name
    path.write_text(
        f"""#!{folder}/sh
case "$2" in
  *ensurepip*) exit {int(not complete)} ;;
  *version_info*) exit {int(not new_enough)} ;;
esac
exit 2
"""
    )
    path.chmod(0o755)


def _find(folder: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(folder), "PYTHON": python}
    return subprocess.run(
        [str(folder / "sh"), str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )


def test_python3_goes_first_if_it_serves(folder: Path) -> None:
    _python(folder, "python3", new_enough=True, complete=True)
    _python(folder, "python3.13", new_enough=True, complete=True)
    assert _find(folder).stdout == "python3\n"


def test_else_the_newest_that_serves(folder: Path) -> None:
    _python(folder, "python3", new_enough=False, complete=True)
    _python(folder, "python3.12", new_enough=True, complete=True)
    _python(folder, "python3.13", new_enough=True, complete=True)
    assert _find(folder).stdout == "python3.13\n"


def test_one_with_ensurepip_goes_before_one_without(folder: Path) -> None:
    _python(folder, "python3", new_enough=True, complete=False)
    assert _find(folder).stdout == "python3\n"
    _python(folder, "python3.11", new_enough=True, complete=True)
    assert _find(folder).stdout == "python3.11\n"


def test_none_is_one_line(folder: Path) -> None:
    _python(folder, "python3", new_enough=False, complete=True)
    found = _find(folder)
    assert (found.returncode, found.stdout) == (4, "")
    assert len(found.stderr.splitlines()) == 1
    assert "no Python 3.11 or newer on PATH" in found.stderr
    assert "make setup PYTHON=/path/to/python3" in found.stderr


def test_the_named_one_or_none(folder: Path) -> None:
    _python(folder, "python3", new_enough=True, complete=True)
    _python(folder, "old", new_enough=False, complete=True)
    assert _find(folder, "old").stderr == "setup: PYTHON=old is no Python 3.11 or newer with its venv module\n"
    _python(folder, "mine", new_enough=True, complete=False)
    assert _find(folder, "mine").stdout == "mine\n"
