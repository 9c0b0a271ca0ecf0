"""What may be done to which address; asked before anything but a read is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import urlsplit

from harness.model import StackInfo, Target
from harness.model.network import is_loopback

Action = Literal["read", "load", "write", "attack", "fault"]
_DONE = {
    "load": "load would be sent to",
    "write": "tests that write would run against",
    "attack": "probes that attack would run against",
    "fault": "faults would be caused at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An action that may not be done to a host, and what would allow it."""

    action: Action
    host: str
    profile: str
    """Where a line that allows the host belongs."""
    active_helps: bool
    """Whether `--active` allows it too."""

    def __str__(self) -> str:
        line = f"add to {self.profile}: [allow] hosts = [{json.dumps(self.host)}]"
        way = f"pass --active, or {line}" if self.active_helps else line
        return f"{_DONE[self.action]} {self.host}, which this harness did not start and nobody allowed; {way}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a run may do.

    Reads go anywhere; a stack that we started takes everything. A loopback URL takes load, and the rest with `--active`
    or by name; any other address takes nothing but reads unless the profile names it, `--active` or not.
    """

    owned: bool
    """Whether we started what is asked about."""
    allowed: tuple[str, ...]
    """Hosts that the profile names."""
    active: bool
    profile: str = ""
    """Where the profile lies, for whoever has to add a host."""

    @classmethod
    def on(cls, info: StackInfo, target: Target, *, active: bool) -> Self:
        """What a run may do to that stack."""
        return cls(owned=info.owned, allowed=target.allow.hosts, active=active, profile=target.source)

    def refusal(self, action: Action, url: str) -> Refusal | None:
        """Why `action` may not be done to what is at `url`; None where it may."""
        host = urlsplit(url).hostname or ""
        named = host in {name.lower().rstrip(".") for name in self.allowed}
        if action == "read" or self.owned or named:
            return None
        loopback = is_loopback(url)
        if loopback and (action == "load" or self.active):
            return None
        profile = self.profile or "the profile (--target FILE)"
        return Refusal(action=action, host=host, profile=profile, active_helps=loopback)


def allowed(action: Action, info: StackInfo, target: Target, active: bool) -> str | None:  # noqa: FBT001 - as it was
    """The refusal as text, or None: what suites of other people asked before there were `Permissions`."""
    refusal = Permissions.on(info, target, active=active).refusal(action, info.service_url)
    return None if refusal is None else str(refusal)
