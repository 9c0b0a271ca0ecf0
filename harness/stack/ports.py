"""Ports on loopback: free ones below the ephemeral range, and who holds one that is taken."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import random
import socket
import sys
from collections import deque
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from harness.errors import StackError

HOST = "127.0.0.1"
_RANGE = range(20000, 32000)
"""Below Linux's ephemeral range (from 32768): no outgoing connection can take a port between its choice and its use."""


_given: deque[int] = deque(maxlen=len(_RANGE) // 4)
"""Ports that this process was given last: each is free until its server listens, and must not be given twice."""
_claims: deque[int] = deque()
"""Descriptors of sockets by which no other process of ours is given them either; the last ones, since by then the
servers of others listen."""
_MOST_CLAIMS = 64


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port that nobody listens on now, at random, and that no other harness of this machine is about to use."""
    for port in random.sample(_RANGE, 200):
        if port not in taken and port not in _given and is_free(port) and _claim(port):
            _given.append(port)
            return port
    raise StackError(f"no free port on {HOST} between {_RANGE.start} and {_RANGE.stop}", mend="end what listens there")


def _claim(port: int) -> bool:
    """Whether the port is ours to give. A name of Linux's abstract sockets is one process's at a time, in the same
    network namespace as the port, and gone with the process; elsewhere nobody is asked.
    """
    if not sys.platform.startswith("linux"):
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0harness-port-{port}")
    except OSError:
        claim.close()
        return False
    # kept to our end: an object of a socket would warn then of having been left open
    _claims.append(claim.detach())
    while len(_claims) > _MOST_CLAIMS:
        os.close(_claims.popleft())
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen on that port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def hold(port: int) -> socket.socket | None:
    """Keep a free port from all others until the socket is closed; None where that cannot be, though it is free."""
    held = socket.socket()
    try:
        held.bind((HOST, port))
    except OSError:
        held.close()
        return None
    return held


def occupied(port: int, served: str | None = None) -> StackError:
    """The error for a port that was asked for and is taken; `served` says what is found there, where that is known."""
    holder = holder_of(port)
    by = f" by pid {holder[0]} ({holder[1]})" if holder else ""
    found = f", and {served}" if served else ""
    return StackError(
        f"port {port} on {HOST} is in use{by}{found}; end that process, or leave the port free to be chosen"
    )


def holder_of(port: int) -> tuple[int, str] | None:
    """Pid and name of the process that listens on a port of this machine; None where that cannot be seen."""
    inodes = _listening_inodes(port)
    for entry in _processes() if inodes else ():
        if _has_open(entry, inodes):
            with contextlib.suppress(OSError):
                return int(entry.name), (entry / "comm").read_text().strip()
    return None


def held_by(port: int, ours: Container[int]) -> bool | None:
    """Whether one of `ours` listens on a port; None where nobody is seen to."""
    inodes = _listening_inodes(port)
    holders = [int(entry.name) for entry in _processes() if _has_open(entry, inodes)] if inodes else []
    return any(pid in ours for pid in holders) if holders else None


def listening_at(pids: Iterable[int]) -> tuple[str, ...]:
    """Where these processes listen, as `127.0.0.1:8000` or `[::1]:8000`; nothing where that cannot be seen."""
    places = dict(_listeners())
    return tuple(
        sorted({places[name] for pid in pids for name in _open_files(Path("/proc") / str(pid)) if name in places})
    )


def _processes() -> Iterator[Path]:
    return (entry for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _has_open(process: Path, inodes: set[str]) -> bool:
    return any(name in inodes for name in _open_files(process))


def _open_files(process: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for fd in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(fd.readlink())


def _listening_inodes(port: int) -> set[str]:
    return {inode for inode, at in _listeners() if at.endswith(f":{port}")}


def _listeners() -> Iterator[tuple[str, str]]:
    """Each listening socket of this machine, and its address."""
    listening = "0A"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == listening:
                    host, _, port = fields[1].rpartition(":")
                    yield f"socket:[{fields[9]}]", f"{_host(host)}:{int(port, 16)}"


def _host(written: str) -> str:
    """An address as the kernel writes it, in words of four bytes, each in the machine's own order."""
    words = (int(written[at : at + 8], 16) for at in range(0, len(written), 8))
    address = ipaddress.ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))
    return f"[{address}]" if address.version == 6 else str(address)
