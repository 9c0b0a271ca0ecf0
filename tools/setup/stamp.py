"""Is what `make setup` built still what it would build now?

The stamp lies inside `.venv`, so it goes when that goes. It is written last and removed first: an interrupted setup is
never up to date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

INPUTS = ("requirements.lock", "pyproject.toml", "service/pyproject.toml", "tools/node/**/*.json", "tools/setup/*")


@dataclass(frozen=True)
class Stamp:
    """What a setup started from and what it left."""

    root: str
    """The checkout's folder: entry points hold absolute paths, so a moved checkout is another one."""
    inputs: str
    distributions: tuple[str, ...]
    """Names of the installed distributions' metadata folders."""
    files: tuple[str, ...]
    """Paths that must exist: programs, the browser."""


def digest(root: Path, patterns: Sequence[str] = INPUTS) -> str:
    """SHA-256 over names and contents of the files that decide what setup does."""
    seen = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()}):
        content = path.read_bytes()
        seen.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        seen.update(content)
    return seen.hexdigest()


def installed(venv: Path) -> tuple[str, ...]:
    """Metadata folders of the distributions in `venv`."""
    return tuple(sorted(path.name for path in venv.glob("lib/python3*/site-packages/*.dist-info")))


def take(root: Path, venv: Path, files: Iterable[Path]) -> Stamp:
    """The stamp of the present state."""
    return Stamp(
        root=str(root),
        inputs=digest(root),
        distributions=installed(venv),
        files=tuple(str(path) for path in files),
    )


def why_stale(stamp: Stamp | None, root: Path, venv: Path) -> str | None:
    """The reason to run setup again, or None; names and small files are all it reads: every `make` pays for it."""
    if stamp is None:
        return "first setup here, or the last one did not finish"
    if stamp.root != str(root):
        return "this checkout was moved"
    missing = next((path for path in stamp.files if not Path(path).exists()), None)
    if missing is not None:
        return f"{missing} is gone"
    gone = set(stamp.distributions) - set(installed(venv))
    if gone:
        return f"{min(gone).removesuffix('.dist-info')} is not installed any more"
    if stamp.inputs != digest(root):
        return "a lock file, pyproject.toml or the setup itself changed"
    return None


def read(path: Path) -> Stamp | None:
    """The stamp at `path`; None where there is none that this version wrote."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Stamp(data["root"], data["inputs"], tuple(data["distributions"]), tuple(data["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, stamp: Stamp) -> None:
    """Put the stamp in its place in one step."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(stamp), indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)
