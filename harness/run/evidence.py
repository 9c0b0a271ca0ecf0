"""`evidence.jsonl`: written a whole line at a time by controlling processes, read with suspicion.

The log is append-only. Several processes may write (the gate, pytest's controller, Locust's runner): each takes a
lock on the file, learns the last number, and writes its lines in one call.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.errors import BrokenRunError, HarnessError
from harness.machine.decoding import Reader
from harness.machine.encodable import encodable_data
from harness.machine.nesting import json_too_deep
from harness.machine.redaction import Redactor
from harness.model import Evidence, Observation
from harness.run.files import read_regular

_ENCODER = msgspec.json.Encoder()
_EVIDENCE = Reader(Evidence)
_LINE_ENDS = {end.encode(): f"\\u{ord(end):04x}".encode() for end in ("\x85", "\u2028", "\u2029")}
"""What readers of lines take for the end of one beside `\\n`; in JSON they stand inside of a text alone."""


def utc_now(moment: datetime | None = None) -> str:
    """The wall clock (or that moment of it) for records: UTC, microseconds, `Z`. No duration is taken from it."""
    return (moment or datetime.now(UTC)).isoformat(timespec="microseconds").replace("+00:00", "Z")


class EvidenceLog:
    """The writing end. `redact` sees subject, test and detail before they reach the disk (docs/run-folder.md).

    The ids that criteria select by are left as they are: they come from the sources, and a password `postgres` must
    not make a check of that name vanish.
    """

    def __init__(self, path: Path, run: str, redact: Redactor) -> None:
        self._path = path
        self._run = run
        self._redact = redact
        self._seq = 0
        self._size = 0

    def append(self, observations: Iterable[Observation]) -> tuple[int, ...]:
        """Number, stamp and write the observations; returns their numbers.

        Raises `HarnessError` if they cannot be written (nothing of them is in the file then), and `BrokenRunError` if
        the file's last line is none of ours.
        """
        batch = tuple(observations)
        if not batch:
            return ()
        with self._locked() as descriptor:
            first = self._seq + 1
            data = b"".join(self._line(first + offset, observation) for offset, observation in enumerate(batch))
            self._write(descriptor, data)
            self._seq += len(batch)
            self._size += len(data)
            return tuple(range(first, first + len(batch)))

    def cut_torn_tail(self) -> None:
        """Take away half a line that a killed writer left."""
        with self._locked():
            pass

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o644)
        except OSError as error:
            raise HarnessError(f"{self._path}: evidence cannot be written ({error.strerror})") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BrokenRunError(f"{self._path}: is no file; start a new run")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._catch_up(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError as error:
            os.ftruncate(descriptor, self._size)
            raise HarnessError(
                f"{self._path}: evidence cannot be written ({error.strerror}); make room there and run again"
            ) from error

    def _line(self, seq: int, seen: Observation) -> bytes:
        line = Evidence(
            run=self._run,
            seq=seq,
            at=utc_now(),
            suite=seen.suite,
            check=seen.check,
            subject=self._redact(seen.subject),
            outcome=seen.outcome,
            value=seen.value,
            unit=seen.unit,
            n=seen.n,
            detail=self._redact.data(seen.detail),
            test=None if seen.test is None else self._redact(seen.test),
            artifacts=seen.artifacts,
        )
        try:
            text = _ENCODER.encode(line)
        except UnicodeEncodeError:
            text = _ENCODER.encode(encodable_data(msgspec.to_builtins(line)))
        for character, escape in _LINE_ENDS.items():
            text = text.replace(character, escape)
        return text + b"\n"

    def _catch_up(self, descriptor: int) -> None:
        """Learn what other processes wrote since; half a line, left by a killed writer, is cut off."""
        size = os.fstat(descriptor).st_size
        if size == self._size:
            return
        tail = _tail(descriptor, size)
        whole = tail.rfind(b"\n") + 1
        if whole < len(tail):
            size -= len(tail) - whole
            os.ftruncate(descriptor, size)
        last = tail[:whole].rstrip(b"\n").rsplit(b"\n", 1)[-1]
        try:
            self._seq = _EVIDENCE.json(last).seq if last else 0
        except msgspec.DecodeError as error:
            raise BrokenRunError(f"{self._path}: its last line is no evidence ({error}); start a new run") from error
        self._size = size


def _tail(descriptor: int, size: int) -> bytes:
    """The end of the file from the start of its last whole line on (or all of it)."""
    step = 65536
    while True:
        start = max(0, size - step)
        tail = os.pread(descriptor, size - start, start)
        if start == 0 or tail.rstrip(b"\n").count(b"\n") > 1:
            return tail
        step *= 4


@dataclass(frozen=True, slots=True)
class Reading:
    """What the file holds, and what is wrong with it."""

    lines: tuple[Evidence, ...]
    problems: tuple[str, ...]
    sha256: str


def read_evidence(path: Path, run: str) -> Reading:
    """Read every line; a torn last line is dropped, anything else amiss is a problem (never an exception)."""
    try:
        data = read_regular(path)
    except FileNotFoundError:
        data = b""
    except BrokenRunError as error:
        return Reading(lines=(), problems=(error.message,), sha256="")
    raw = data.split(b"\n")
    torn = raw.pop() != b""
    lines, problems = _parse(raw, run)
    if torn:
        problems = (*problems, f"the last line ({len(lines) + 1}) is torn")
    return Reading(lines=lines, problems=problems, sha256=hashlib.sha256(data).hexdigest())


def _parse(raw: Sequence[bytes], run: str) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    lines: list[Evidence] = []
    problems: list[str] = []
    for number, text in enumerate(raw, start=1):
        if json_too_deep(text):
            problems.append(f"evidence line {number} cannot be read: it nests too deeply")
            continue
        try:
            line = _EVIDENCE.json(text)
        except msgspec.DecodeError as error:
            problems.append(f"evidence line {number} cannot be read: {error}")
            continue
        if line.run != run:
            problems.append(f"evidence line {number} belongs to run {line.run!r}")
        if line.seq != number:
            problems.append(f"evidence line {number} has the number {line.seq}")
        lines.append(line)
    return tuple(lines), tuple(problems)
