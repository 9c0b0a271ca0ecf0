"""What a run keeps of logs and results, without secrets."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.machine.archives import clean_archive
from harness.machine.foreign_text import kept
from harness.machine.redaction import Redactor
from harness.model import StackInfo

_MOST_OF_LOG = 4_000_000
"""Characters of what one pytest process printed; its tests may print without end."""
_FIRST_OF_LOG, _LAST_OF_LOG = 2**20, 15 * 2**20
"""Bytes of a log that are kept at most: how it began, and what it said last."""
_BESIDE_A_CUT = 64 * 1024
"""No secret is longer."""
_TEXTS = frozenset({".json", ".jsonl", ".txt", ".log", ".xml", ".csv", ".html"})


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """Raise `HarnessError` where nothing more can be written, naming the folder of the runs; the system does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise HarnessError(f"{folder}: {error.strerror}; free some, or give another folder with --out") from error


def keep_logs(run: Path, info: StackInfo, redact: Redactor, prefix: str = "") -> None:
    """Copy the stack's logs into the run; what is written later stays in the stack's own folder.

    A service may print without end: of a long log its beginning and its end are kept, and a line says so.
    """
    for name, place in info.logs.items():
        log = Path(place)
        if log.is_file():
            (run / "logs" / f"{prefix}{name}.log").write_text(_kept_of(log, redact), encoding="utf-8")


def _kept_of(log: Path, redact: Redactor) -> str:
    """What is kept of a log. Where it is cut, more is searched for secrets than is kept: half of one is not found."""
    with log.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _FIRST_OF_LOG + _LAST_OF_LOG:
            return redact(_decoded(file.read(size)))
        begin = redact(_decoded(file.read(_FIRST_OF_LOG + _BESIDE_A_CUT)))[:-_BESIDE_A_CUT]
        file.seek(size - _LAST_OF_LOG - _BESIDE_A_CUT)
        end = redact(_decoded(file.read(_LAST_OF_LOG + _BESIDE_A_CUT)))[_BESIDE_A_CUT:]
    left_out = f"… at least {size - _FIRST_OF_LOG - _LAST_OF_LOG} bytes of this log are left out here …"
    first, last = begin[: begin.rfind("\n") + 1] or begin, end[end.find("\n") + 1 :]
    return f"{first}\n{left_out}\n\n{last}"


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def redact_results(run: Path, redact: Redactor) -> None:
    """Take secrets out of what other programs wrote into the run: pytest's output, Allure's results, a browser's
    traces. What was done to a trace stands in `logs/traces.log`.
    """
    said: list[str] = []
    for folder in (run / "logs", run / "allure-results", run / "artifacts", run / "samples"):
        for file in _files_below(folder):
            if file.suffix == ".zip":
                done = clean_archive(file, redact)
                said += [f"{file.relative_to(run)}: {done}\n"] if done else []
            elif file.suffix in _TEXTS:
                is_output = folder.name == "logs" and file.name.startswith("pytest-")
                _clean_text(file, redact, _MOST_OF_LOG if is_output else None)
    if said:
        (run / "logs" / "traces.log").write_text("".join(said), encoding="utf-8")


def _files_below(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def _clean_text(file: Path, redact: Redactor, most: int | None) -> None:
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    clean = redact(text) if most is None else kept(redact(text), most)
    if clean != text:
        file.write_text(clean, encoding="utf-8", errors="surrogateescape")
