"""What a host's name means: the same at every call, in this process and in those that it starts.

A name that is looked up again may lead elsewhere, and what was allowed was allowed for where it led at first.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import threading

from harness.errors import SafetyError
from harness.model.network import is_loopback_host

_KNOWN = "HARNESS_ADDRESSES"
"""What was found, for pytest, its workers and Locust's: an environment is what all of them inherit."""
_looking_up = threading.Lock()


def addresses_of(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host to connect to.

    Raises `SafetyError` if a name of this machine means another one, `OSError` if the name is not known.
    """
    found = _looked_up(host, port)
    if is_loopback_host(host) and not all(ipaddress.ip_address(_bare(each)).is_loopback for each in found):
        raise SafetyError(f"{host} names this machine, and its address here is {', '.join(found)}; mend /etc/hosts")
    return found


def _looked_up(host: str, port: int) -> tuple[str, ...]:
    place = f"{host}:{port}"
    with _looking_up:
        known: dict[str, list[str]] = json.loads(os.environ.get(_KNOWN, "{}"))
        if place not in known:
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except UnicodeError as error:
                raise OSError(f"{host[:200]!r} cannot be looked up ({error})") from error
            known[place] = list(dict.fromkeys(str(each[4][0]) for each in found))
            os.environ[_KNOWN] = json.dumps(known)
    return tuple(known[place])


def _bare(address: str) -> str:
    return address.partition("%")[0]
