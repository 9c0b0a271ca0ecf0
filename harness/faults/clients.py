"""Clients of single instances of a rig, each with an address of its own, logged in or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import UsageError
from harness.model import Instance, StackInfo, Target
from harness.probes.address import SHARED_ADDRESSES
from harness.probes.http import Permit, RecordingClient
from harness.probes.login import log_in


@dataclass
class Clients:
    """Makes clients, keeps them, and keeps one login a role; `learn` is told each token."""

    target: Target
    info: Callable[[], StackInfo]
    permit: Permit | None
    learn: Callable[[Sequence[str]], None]
    made: list[RecordingClient] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)

    def make(self, instance: Instance, role: str | None, headers: Mapping[str, str]) -> RecordingClient:
        """A client of that instance. Raises UsageError for a role that the profile does not have."""
        sent = dict(headers)
        if role is not None:
            sent["Authorization"] = f"Bearer {self._token(role, instance)}"
        mode = self.target.clients.address
        client = RecordingClient(
            instance.url,
            timeout_s=self.target.service.timeout_s,
            address_mode=mode,
            address=SHARED_ADDRESSES.fresh(mode),
            permit=self.permit,
            headers=sent,
        )
        self.made.append(client)
        return client

    def close(self) -> None:
        """Close all of them."""
        for client in self.made:
            client.close()

    def _token(self, role: str, instance: Instance) -> str:
        if role not in self.target.auth.roles:
            raise UsageError(f"the profile has no [auth.roles.{role}]")
        if role not in self._tokens:
            self._tokens[role] = log_in(self.target, replace(self.info(), url=instance.url), role)
            self.learn([self._tokens[role]])
        return self._tokens[role]
