"""Writes down where a Python process connects, and which names it asks for: into the file HOSTILE_CALLS."""

import ipaddress
import os
import sys

_FILE = os.environ.get("HOSTILE_CALLS", "")
_OURS = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""}  # noqa: S104 - compared, not bound


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _tell(line: str) -> None:
    with open(_FILE, "a", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib asks for more at start
        file.write(f"{line}\n")


def _hear(event: str, words: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        place = words[1]
        if isinstance(place, tuple) and str(place[0]) not in _OURS:
            _tell(f"Connection to {place[0]} port {place[1]}")
    elif event == "socket.getaddrinfo":
        host = words[0].decode("utf-8", "replace") if isinstance(words[0], bytes) else str(words[0] or "")
        if host not in _OURS and not _is_address(host):
            _tell(f"Question for {host}")


if _FILE:
    sys.addaudithook(_hear)
