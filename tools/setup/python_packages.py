"""uv from PyPI, then the virtual environment from the lock file."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.setup.commands import SetupError, Words, run
from tools.setup.machine_settings import environment_for_uv, read_pip_settings

_UV_LOCK = "tools/setup/uv.lock"


@dataclass(frozen=True)
class Uv:
    """A uv that runs here, and the environment to run it in."""

    executable: Path
    environment: Mapping[str, str]
    origin: str


def get_uv(root: Path, cache: Path, environment: Mapping[str, str]) -> Uv:
    """The pinned uv out of the cache, or from PyPI by pip; where Python has no pip at all, a uv on PATH.

    Raises SetupError with the command that mends a Python without pip.
    """
    version = _pinned_version(root / _UV_LOCK)
    home = cache / f"uv-{version}-{sys.platform}-{platform.machine()}"
    with tempfile.TemporaryDirectory(prefix="harness-setup-") as scratch:
        pip = find_pip(Path(scratch), environment)
        uv_environment = environment_for_uv(read_pip_settings(pip, environment), environment)
        executable = home / "bin" / "uv"
        if executable.exists():
            return Uv(executable, uv_environment, "from the cache")
        if pip is not None:
            _install_uv(root, home, pip, environment)
            return Uv(executable, uv_environment, "from PyPI")
    found = shutil.which("uv", path=environment.get("PATH"))
    if found is not None:
        return Uv(Path(found), uv_environment, "found on PATH")
    raise SetupError(
        f"{sys.executable} has neither pip nor ensurepip, and there is no uv on PATH; "
        f"mend it with: apt-get install python3-venv (Debian, Ubuntu), or name another: make setup PYTHON=/path/python3"
    )


_OWN_SOURCES = ("harness", "fixtures", "suites", "service/dealradar")


def sync(root: Path, venv: Path, uv: Uv, *, fresh: bool) -> None:
    """Make `venv` hold exactly what `requirements.lock` lists, and this project's own packages by reference."""
    python = venv / "bin" / "python"
    create: Words = ["venv", "--no-project", "--clear", "--python", sys.executable, venv]
    fill: list[str | Path] = ["pip", "sync", "--python", python, "--require-hashes", "--no-build"]
    # Where the environment forbids Python to write bytecode, every start would compile everything anew.
    fill += ["--compile-bytecode", "requirements.lock"]
    own: list[str | Path] = [
        "pip",
        "install",
        "--python",
        python,
        "--no-deps",
        "--no-build-isolation",
        "--editable",
        ".",
    ]
    if (root / "service" / "dealradar" / "__init__.py").exists():
        own += ["--editable", "service"]
    if fresh:
        run([uv.executable, *create], doing="creating .venv", cwd=root, env=uv.environment)
    run([uv.executable, *fill], doing="installing the packages of requirements.lock", cwd=root, env=uv.environment)
    run([uv.executable, *own], doing="installing this project", cwd=root, env=uv.environment)
    sources = [name for name in _OWN_SOURCES if (root / name).is_dir()]
    run([python, "-m", "compileall", "-q", *sources], doing="compiling this project", cwd=root, env=uv.environment)


def why_unusable(venv: Path, *, wanted: str | None) -> str | None:
    """The reason to make the environment anew, or None. `wanted`: the version ("3.12") it must have, None for any."""
    homes = sorted(venv.glob("lib/python3.*"))
    if not homes or not (venv / "bin" / "python").exists():
        return ".venv has no working Python"
    version = homes[-1].name.removeprefix("python")
    if wanted not in {None, version}:
        return f".venv has Python {version}, {wanted} is asked for"
    return None


def _pinned_version(lock: Path) -> str:
    first = lock.read_text(encoding="utf-8").split(maxsplit=1)[0]
    return first.partition("==")[2]


def find_pip(scratch: Path, environment: Mapping[str, str]) -> list[str] | None:
    """This Python's own pip, else the one that ensurepip puts into a throw-away environment, else None."""
    own = [sys.executable, "-m", "pip"]
    if _answers([*own, "--version"], environment):
        return own
    if _answers([sys.executable, "-m", "venv", str(scratch / "pip")], environment):
        return [str(scratch / "pip" / "bin" / "python"), "-m", "pip"]
    return None


def _answers(words: list[str], environment: Mapping[str, str]) -> bool:
    return subprocess.run(words, env=dict(environment), capture_output=True, check=False).returncode == 0


def _install_uv(root: Path, home: Path, pip: list[str], environment: Mapping[str, str]) -> None:
    """Install into a folder of our own, then rename: a second setup at the same moment finds nothing or all of it."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".uv-", dir=home.parent) as scratch:
        target = Path(scratch) / "uv"
        words = [
            *pip,
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--no-compile",
            "--only-binary=:all:",
        ]
        words += ["--require-hashes", "--target", str(target), "--requirement", str(root / _UV_LOCK)]
        run(words, doing="getting uv from PyPI", cwd=root, env=environment)
        try:
            target.rename(home)
        except OSError:
            if not (home / "bin" / "uv").exists():
                raise


def cache_folder(root: Path, environment: Mapping[str, str]) -> Path:
    """Where setups of all checkouts share what they fetched; inside this checkout where no home can be written to."""
    own = root / ".cache"
    if environment.get("XDG_CACHE_HOME"):
        shared = Path(environment["XDG_CACHE_HOME"]) / "harness"
    elif environment.get("HOME"):
        shared = Path(environment["HOME"]) / ".cache" / "harness"
    else:
        return own
    try:
        shared.mkdir(parents=True, exist_ok=True)
    except OSError:
        return own
    return shared if os.access(shared, os.W_OK) else own
