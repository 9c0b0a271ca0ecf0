"""What runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.ruling import UNKNOWN_BUILD, Build

FRONT = "front"
"""What the proxy in front of a service is called among a stack's processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One running copy of the service."""

    url: str
    pid: int | None = None
    log: str = ""
    name: str = ""
    """What its process is called in the stack."""
    ready_bytes: int | None = None
    """How much its log held when it was ready; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One running copy of the target's worker program; it listens nowhere."""

    name: str
    pid: int | None = None
    log: str = ""
    ready_bytes: int | None = None
    """How much its log held when it was ready; None where no text in it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """Endpoints and facts of a running stack; JSON on disk, so that other processes can use the stack.

    `settings` is the service's environment as started (secrets in it: the file is private to the user, and it never
    becomes part of a run).
    """

    name: str
    backend: Literal["embedded", "docker", "attach"]
    target: str
    url: str
    owned: bool
    """Started by us: writes, attacks and faults are allowed."""
    database_url: str | None = None
    redis_url: str | None = None
    smtp_url: str | None = None
    mailbox_url: str | None = None
    untrusted_url: str | None = None
    """Reaches the service through a peer that it trusts as no proxy; None where any other loopback address is one."""
    ca_file: str = ""
    """The throw-away authority that vouches for `url` (PEM); "" where no other than the machine's are needed."""
    key_pin: str = ""
    """Base64 of the SHA-256 of the public key at `url`, for browsers; "" where they need not be told."""
    instances: tuple[Instance, ...] = ()
    workers: tuple[Worker, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What `--env` changed."""
    state_dir: str = ""
    logs: Mapping[str, str] = field(default_factory=dict)
    """Name of a process -> path of its log."""
    pids: Mapping[str, int] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds each part took to become ready."""
    build: Build = UNKNOWN_BUILD
    supervisor_pid: int | None = None
    behind: str = ""
    """Where the service really is, if `url` is a proxy that changes what passes."""

    @property
    def service_url(self) -> str:
        """Where the service itself is: what is allowed goes by this address."""
        return self.behind or self.url

    @property
    def has_front(self) -> bool:
        """Whether a proxy that belongs to the stack stands at `url`, in front of the instances."""
        return FRONT in self.pids
