"""Addresses for simulated clients: one each, so that a service which counts by client can tell them apart
(docs/honest-numbers.md#clients).

An address must not come again while a limiter's window remembers it, whichever process, xdist worker or run asks.
So numbers are handed out by one counter for the whole machine, kept in a file under a lock; a process takes a block
of them at a time. The counter begins at a random number, so that two machines seldom speak with the same addresses.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError

AddressMode = Literal["source", "x-forwarded-for", "none"]
"""How a service tells one client from another: the peer's address, the proxies' header, or not at all."""

DEFAULT_FOLDER = Path("/tmp/harness-addresses")  # noqa: S108 - one path for all users of the machine, on purpose
_BLOCK = 32
_FORWARDED_COUNT = 2 * 256 * 254
_SOURCE_COUNT = 256 * 254


def client_address(mode: AddressMode, number: int) -> str:
    """The address of client `number`; "" where clients cannot be told apart.

    For the header: 198.18.0.0/15, reserved for benchmarks (RFC 2544), never seen in real traffic.
    For the peer's address: 127.1.0.0/16, which Linux binds without being asked. Host parts 0 and 255 are left out.
    """
    match mode:
        case "x-forwarded-for":
            network, host = divmod(number % _FORWARDED_COUNT, 254)
            return f"198.{18 + network // 256}.{network % 256}.{host + 1}"
        case "source":
            network, host = divmod(number % _SOURCE_COUNT, 254)
            return f"127.1.{network}.{host + 1}"
        case "none":
            return ""


@dataclass
class AddressBook:
    """Hands out addresses that nobody on this machine was given lately (130,048 for the header, 65,024 to bind)."""

    folder: Path = DEFAULT_FOLDER
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _next: int = 0
    _end: int = 0
    _owner: int = 0

    def fresh(self, mode: AddressMode) -> str:
        """An address of its own; "" for mode "none". Raises `HarnessError` if the counter cannot be kept."""
        return "" if mode == "none" else client_address(mode, self.fresh_number())

    def fresh_number(self) -> int:
        """The next number of this process's block, or the first of a new block."""
        with self._lock:
            # A forked child must not go on with its parent's block.
            if self._next >= self._end or self._owner != os.getpid():
                self._next = _take_block(self.folder, _BLOCK)
                self._end = self._next + _BLOCK
                self._owner = os.getpid()
            self._next += 1
            return self._next - 1


def _take_block(folder: Path, count: int) -> int:
    path = folder / "next"
    try:
        descriptor = _open_counter(folder, path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            first = int(text) if text.isdigit() else secrets.randbelow(_FORWARDED_COUNT)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{first + count}\n".encode(), 0)
            return first
        finally:
            os.close(descriptor)
    except OSError as error:
        raise HarnessError(
            f"{path}: client addresses cannot be counted ({error.strerror})", mend=f"remove {folder} and retry"
        ) from error


def _open_counter(folder: Path, path: Path) -> int:
    """Open the counter for every user: Linux refuses O_CREAT on another user's file in a sticky folder."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        os.fchmod(descriptor, 0o666)
        return descriptor


SHARED_ADDRESSES = AddressBook()
"""The machine's book, for everybody who has no reason to keep another."""
