"""What prepared data depends on, as one digest: sources, commands, settings and the environment that they run in.

Addresses and secrets are in it as placeholders: they differ from stack to stack, and prepared data is the same. Where
the sources lie is not in it: a copy of them prepares the same data.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.model import Target
from harness.model.placeholders import names_server

_NO_SOURCE = frozenset({"__pycache__", ".git", ".hg", ".svn", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
"""Folders that are made from sources, or lie beside them."""
_INSTALLED = (".dist-info", ".egg-info", ".pth")


@dataclass(frozen=True, slots=True)
class Sources:
    """A target's sources, with the settings that `--env` overrides."""

    target: Target
    overrides: Mapping[str, str]

    @property
    def may_keep(self) -> bool:
        """Whether what `prepare_cached` makes lies in the stack's own database, and so can be kept with it."""
        service = self.target.service
        elsewhere = any(names_server("postgres", service.env.get(name, "")) for name in self.overrides)
        return bool(service.prepare_cached) and "postgres" in service.needs and not elsewhere

    def digest(self) -> str:
        """The same for the same sources, commands, settings and environment. Raises OSError for an unreadable file."""
        service = self.target.service
        found = hashlib.sha256()
        _add(found, "commands", service.prepare_cached)
        _add(found, "settings", sorted(service.env.items()), sorted(self.overrides.items()))
        _add(found, "python", sys.version, sys.prefix, sorted(_distributions()))
        _add(found, "programs", [_program(command[0]) for command in service.prepare_cached])
        for name, mode, content in sorted(_files(Path(service.cwd))):
            _add(found, name, mode, content)
        return found.hexdigest()


def _add(digest: hashlib._Hash, *words: object) -> None:
    digest.update(json.dumps(words).encode() + b"\n")


def _distributions() -> Iterator[tuple[str, int]]:
    """What is installed beside the running Python: installing a thing anew changes its folder's time."""
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        yield from _installed(Path(folder))


def _installed(folder: Path) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        yield from ((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith(_INSTALLED))


def _program(word: str) -> tuple[str, int, int]:
    """The executable behind a command's first word, so that another one in its place is seen."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    place = shutil.which(word, path=path)
    if place is None:
        return word, 0, 0
    found = Path(place).stat()
    return os.path.realpath(place), found.st_size, found.st_mtime_ns


def _files(top: Path) -> Iterator[tuple[str, int, str]]:
    """Name, whether it can be executed, and digest of the content of each file below `top`; links are followed.

    Of an environment of Python's or Node's it takes what is installed there, not each file.
    """
    seen: set[str] = set()
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        if (folder / "pyvenv.cfg").is_file():
            places = sorted(folder.glob("lib*/python*/site-packages"))
            told = [sorted(_installed(place)) for place in places]
            yield str(folder.relative_to(top)), 0, json.dumps(told)
            continue
        for path in sorted(folder.iterdir()):
            if path.is_dir() and path.name != "node_modules":
                if path.name not in _NO_SOURCE:
                    waiting.append(path)
            else:
                yield from _file(path, str(path.relative_to(top)))


def _file(path: Path, name: str) -> Iterator[tuple[str, int, str]]:
    """The one entry of a file, a broken link, or what Node installed; none for a socket and the like."""
    if path.name == "node_modules":
        lock = path / ".package-lock.json"
        yield name, 0, _content(lock) if lock.is_file() else ""
    elif path.is_file():
        yield name, path.stat().st_mode & stat.S_IXUSR, _content(path)
    elif path.is_symlink():
        yield name, 0, str(path.readlink())


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
