"""How a schema's migrations are named: files `NUMBER_name.sql` in a folder, and a runner's rows for those applied."""

from __future__ import annotations

import re
from pathlib import Path

_FILE = re.compile(r"[Vv]?(?P<number>\d+)(?:[_.-].*)?\.sql")
_BACKWARD = re.compile(r"\.(?:rollback|down|undo)\.sql$")


def migration_files(folder: Path) -> list[str]:
    """The names of the files that lead forward, in their order; none where there is no such folder."""
    if not folder.is_dir():
        return []
    files = [path.name for path in folder.iterdir() if _FILE.fullmatch(path.name) and not _BACKWARD.search(path.name)]
    return sorted(files, key=lambda name: (number_of(name), name))


def number_of(file: str) -> int:
    """The number that a migration's file begins with; 0 where it has none."""
    found = _FILE.fullmatch(file)
    return int(found["number"]) if found else 0


def names_of(file: str) -> frozenset[str]:
    """What a runner may call this file in its table: the whole name, its stem, or the number alone."""
    found = _FILE.fullmatch(file)
    stems = {file, file.removesuffix(".sql"), file.removesuffix(".sql").removesuffix(".up")}
    return frozenset(stems | ({found["number"], str(number_of(file))} if found else set()))
