"""The service's own files, and what checks of them have to say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.preflight.check import ReadinessFinding, Scene, fine, first_few, unknown, wrong

_NOT_OURS = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build", "venv", "env"})
_MOST_FILES = 2000
_MOST_NAMED = 5


def not_here(scene: Scene) -> ReadinessFinding | None:
    """Why the files of the service cannot be read, or None."""
    service = scene.target.service
    if not scene.info.owned or service.url or not (service.command or service.dockerfile):
        return unknown("the service was started by somebody else: its sources are not known here")
    return None


def own_files(top: Path) -> Iterator[Path]:
    """Files below the service's folder, its dependencies and hidden folders left out; a bounded number."""
    count = 0
    for folder, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in _NOT_OURS and not name.startswith("."))
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                return
            yield Path(folder, name)


def read_text(path: Path) -> str:
    """What a file says; bytes that are no UTF-8 are replaced."""
    return path.read_text(encoding="utf-8", errors="replace")


def tally(
    problems: Sequence[str],
    *,
    wrong_ones: int,
    count: int,
    what: str,
    unit: str,
    remedy: str = "mend the file at the line that is named",
    more: Mapping[str, Any] | None = None,
) -> ReadinessFinding:
    """The finding over `count` files or parts of files, of which `wrong_ones` have `problems`."""
    right = count - wrong_ones
    if not problems:
        return fine(f"{count} {what}", value=float(count), unit=unit, n=count, detail=more or {})
    return wrong(
        f"{right} of {count} {what}: {first_few(problems, _MOST_NAMED)}",
        remedy,
        value=float(right),
        unit=unit,
        n=count,
        detail={"problems": list(problems), **(more or {})},
    )
