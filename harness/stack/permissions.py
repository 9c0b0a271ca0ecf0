"""What may be done to which address (DESIGN 4.1, Safety): one function, asked before anything is sent."""

from __future__ import annotations

import ipaddress
import json
from typing import Literal
from urllib.parse import urlsplit

from harness.model import StackInfo, Target

Action = Literal["read", "load", "write", "attack", "fault"]
_DONE = {
    "load": "load would be sent to",
    "write": "tests that write would run against",
    "attack": "probes that attack would run against",
    "fault": "faults would be caused at",
}


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine by `localhost` or a loopback address; no name is looked up."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def allowed(action: Action, info: StackInfo, target: Target, active: bool) -> str | None:  # noqa: FBT001 - the contract
    """None if `action` may be done to the stack, else the refusal, which names the line to add.

    Reads go anywhere; a stack that we started takes everything. A loopback URL takes load, and the rest with `--active`
    or by name; any other address takes nothing but reads unless the profile names it, `--active` or not.
    """
    url = info.behind or info.url
    host = urlsplit(url).hostname or ""
    named = host in {name.lower().rstrip(".") for name in target.allow.hosts}
    if action == "read" or info.owned or named:
        return None
    loopback = is_loopback(url)
    if loopback and (action == "load" or active):
        return None
    where = target.source or "the profile (--target FILE)"
    line = f"add to {where}: [allow] hosts = [{json.dumps(host)}]"
    way = f"pass --active, or {line}" if loopback else line
    return f"{_DONE[action]} {host}, which this harness did not start and nobody allowed; {way}"
