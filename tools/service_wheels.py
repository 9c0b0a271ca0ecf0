"""Wheels for the service's image, fetched once: its build reaches no index, and is done anew after each change."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tools.setup.commands import SetupError, Words, run
from tools.setup.python_packages import cache_folder, find_pip

# apart: the service and what lists its packages may pin one package in two versions
_LOCKS = ("requirements.lock", "sbom/requirements.lock")
_PLATFORMS = ("manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_24", "manylinux_2_17", "manylinux2014")


def service_wheels(root: Path, version: str) -> Path:
    """A folder with all that the service's lock files name, for that version of Python; it stays for the next build.

    Raises SetupError where they cannot be had.
    """
    locks = [root / "service" / lock for lock in _LOCKS]
    parts = (version, os.uname().machine, *(lock.read_text(encoding="utf-8") for lock in locks))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    cache = cache_folder(root, os.environ)
    place = cache / f"service-wheels-{digest}"
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="harness-wheels-", dir=cache) as scratch:
        pip = find_pip(Path(scratch), os.environ)
        if pip is None:
            raise SetupError("getting the service's wheels: this Python has no pip: apt-get install python3-venv")
        aside = Path(scratch) / "wheels"
        words: Words = [*pip, "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
        words = [*words, "--python-version", version, "--require-hashes", "--dest", aside]
        words = [*words, *(f"--platform={name}_{os.uname().machine}" for name in _PLATFORMS)]
        for lock in locks:
            run([*words, "--requirement", lock], doing=f"getting the wheels of {lock.name}", cwd=root, env=os.environ)
        try:
            aside.rename(place)
        except OSError:
            # another build was quicker: its folder holds the same
            shutil.rmtree(aside)
    return place
