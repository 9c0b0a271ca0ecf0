"""What the plugin keeps on pytest's objects, through typed keys only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from harness.machine.lock import MachineLock
from harness.machine.redaction import Redactor
from harness.model import Observation, StackInfo, Target
from harness.model.network import is_loopback
from harness.probes.exchange import Exchange, SentRequest
from harness.probes.surface import Surface
from harness.pytest_plugin.pacing import Pace, pace_of
from harness.stack.permissions import Action, Permissions, Refusal


@dataclass(frozen=True, slots=True)
class Context:
    """What every process of a test session knows of the run."""

    target: Target
    info: StackInfo
    stack_file: Path
    run: Path
    surface: Surface
    active: bool
    traces: bool

    @property
    def pace(self) -> Pace | None:
        """How requests are paced, where all of them are one client's to the target."""
        return pace_of(self.target, self.info)

    def refusal(self, action: Action, url: str | None = None) -> Refusal | None:
        """Why a test may not do that to what is at `url` (without one: to the target); None where it may."""
        info = self.info
        permissions = Permissions.on(info, self.target, active=self.active)
        if url is None or url.startswith(info.url):
            return permissions.refusal(action, info.service_url)
        return replace(permissions, owned=info.owned and _is_at(info, url)).refusal(action, url)


def _is_at(info: StackInfo, url: str) -> bool:
    """Whether a request stays on the hosts that the stack has."""
    hosts = {urlsplit(own).hostname for own in (info.url, *(instance.url for instance in info.instances))}
    return urlsplit(url).hostname in hosts or is_loopback(url)


@dataclass
class ItemNotes:
    """What one attempt of a test left: exchanges, measurements, its count of assertions, what to do if it fails."""

    assertions: int = 0
    kept: list[Iterable[Exchange]] = field(default_factory=list)
    """One list of exchanges a client; each grows while its client works."""
    observations: list[Observation] = field(default_factory=list)
    visited: list[SentRequest] = field(default_factory=list)
    """Pages that its browser went to."""
    listed: list[str] = field(default_factory=list)
    """What an instrument found in full, a text each; the run keeps it whatever the test makes of it."""
    artifacts: list[str] = field(default_factory=list)
    """Files that it made, whatever its outcome, relative to the run."""
    on_failure: list[Callable[[], tuple[str, ...]]] = field(default_factory=list)
    """Each returns the artifacts it made, relative to the run."""
    misbehaved: list[str] = field(default_factory=list)
    """What the target did that ended the test whatever it asked, in words: if it failed, that is why."""
    subject: str = ""
    """What the outcome is about, where only the test itself finds out."""
    limited: list[str] = field(default_factory=list)
    """Requests that were refused with 429 by a limiter that the profile does not know."""
    unasked: list[str] = field(default_factory=list)
    """What happened to the test that says nothing of the target, in words: whatever its outcome, it is an error."""

    @property
    def exchanges(self) -> list[Exchange]:
        """What all clients of the test sent and got, client by client."""
        return [exchange for kept in self.kept for exchange in kept]


class Instrument(Protocol):
    """What the tests of one module share, and has something to say of each of them."""

    def observed(self, item: pytest.Item) -> list[Observation]:
        """What happened since it was asked last, as evidence of that test."""

    def exchanges(self) -> list[Iterable[Exchange]]:
        """What its clients sent and got in this test, client by client."""

    def mend(self) -> None:
        """Make all whole again, after a test."""


CONTEXT = pytest.StashKey[Context]()
NOTES = pytest.StashKey[ItemNotes]()
REDACT = pytest.StashKey[Redactor]()
MACHINE_LOCK = pytest.StashKey[MachineLock]()
WAITED = pytest.StashKey[float]()
"""Seconds that a test waited for its turn on the machine."""
INSTRUMENT = pytest.StashKey[Instrument]()
"""On a module, while its tests run."""


def share_instrument(module: pytest.Module, instrument: Instrument) -> None:
    """Let each test of the module tell what the instrument saw, and have it mend afterwards."""
    module.stash[INSTRUMENT] = instrument


def context_of(config: pytest.Config) -> Context:
    """What this process knows of the run."""
    return config.stash[CONTEXT]


def notes_of(item: pytest.Item) -> ItemNotes:
    """What the running attempt of a test leaves."""
    return item.stash[NOTES]


def redactor_of(config: pytest.Config) -> Redactor:
    """Who takes secrets out of what this session writes, once it has learned them."""
    return config.stash[REDACT]
