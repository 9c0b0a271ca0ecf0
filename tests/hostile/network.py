"""A network that leads nowhere, and what was sent elsewhere in it.

As root a namespace of its own, in which every address is this machine's: no packet leaves, and each first packet to
another address than 127.0.0.1, and each name that is asked for, is told. Without root the calls of every Python process
are told (`tests/hostile/recording/sitecustomize.py`); a browser's are not, but for those that reach the listener of
`tests.hostile.serve`.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.stack_target import eventually

_RECORDING = Path(__file__).parent / "recording"
_ROOT = Path(__file__).parents[2]
_STARTS_WITHIN_S = 20.0
_READY = "ready"
_OURS = frozenset({"127.0.0.1", "::1"})
_TCP, _UDP, _DNS = 6, 17, 53
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class LoneNetwork:
    """How to start a process in it, and where what it sends elsewhere is told, line by line."""

    told: Path
    words: tuple[str, ...] = ()
    """Go before a command's own."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """For its environment."""

    def foreign(self) -> list[str]:
        """What was sent elsewhere, each once."""
        return [line for line in dict.fromkeys(self.told.read_text(errors="replace").split("\n")) if line[:1].isupper()]


def can_be_alone() -> bool:
    """Whether namespaces can be had here."""
    tools = all(shutil.which(name) for name in ("unshare", "nsenter", "ip"))
    return (
        tools
        and os.geteuid() == 0
        and subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
    )


@contextmanager
def lone_network(folder: Path, *, alone: bool) -> Iterator[LoneNetwork]:
    """Such a network until the end of the block, as a namespace if it is to be `alone`; it writes into `folder`."""
    told = folder / "elsewhere"
    told.touch()
    if not alone:
        path = os.pathsep.join([str(_RECORDING), *filter(None, [os.environ.get("PYTHONPATH")])])
        yield LoneNetwork(told, settings={"PYTHONPATH": path, "HOSTILE_CALLS": str(told)})
        return
    with told.open("wb") as output:
        recorder = subprocess.Popen(
            ["unshare", "--net", "--", sys.executable, "-m", "tests.hostile.network"],
            cwd=_ROOT,
            stdout=output,
            stderr=output,
        )
    try:
        if not eventually(
            lambda: _READY in told.read_text().split("\n") or recorder.poll() is not None, _STARTS_WITHIN_S
        ):
            raise RuntimeError("the network did not start")
        if recorder.poll() is not None:
            raise RuntimeError(f"the network did not start: {told.read_text()}")
        yield LoneNetwork(told, words=("nsenter", f"--net=/proc/{recorder.pid}/ns/net", "--"))
    finally:
        recorder.kill()
        recorder.wait()


def packet_elsewhere(packet: bytes) -> str:
    """What an IP packet begins elsewhere: a connection, a datagram, a question for a name; "" if nothing.

    Later packets of a connection, and answers, begin nothing.
    """
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        start, kind, there = (packet[0] & 15) * 4, packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20])
    elif version == 6:
        start, kind, there = 40, packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40])
    else:
        return ""
    rest = packet[start:]
    port = struct.unpack("!H", rest[2:4])[0] if len(rest) >= 4 else 0
    if kind == _UDP and port == _DNS:
        return f"Question for {_asked_name(rest[8:])}"
    if there in _OURS:
        return ""
    if kind == _TCP and len(rest) > 13 and rest[13] & (_SYN | _ACK) == _SYN:
        return f"Connection to {there} port {port}"
    if kind == _UDP and port:
        return f"Datagram to {there} port {port}"
    return ""


def _asked_name(message: bytes) -> str:
    """The first name of a DNS message (RFC 1035, 4.1.2)."""
    parts, at = [], 12
    while at < len(message) and (length := message[at]):
        parts.append(message[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += length + 1
    return ".".join(parts)


def main() -> int:
    """Make every address this machine's, and tell what is sent, to the end."""
    for words in ("link set lo up", "route add local default dev lo", "-6 route add local default dev lo"):
        # a kernel without IPv6 has no such addresses either
        subprocess.run(["ip", *words.split()], check="-6" not in words, capture_output=True)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003)) as packets:
        sys.stdout.write(f"{_READY}\n")
        sys.stdout.flush()
        while True:
            packet, sender = packets.recvfrom(256)
            # on loopback each packet is seen as it leaves and as it comes
            if sender[2] == socket.PACKET_OUTGOING and (line := packet_elsewhere(packet)):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
