"""Releases of a target: how a profile says where each is had, and what one is that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

RollbackLevel = Literal["config", "code", "full"]
"""How much goes back: settings alone, the code, or code, settings and database."""
ROLLBACK_LEVELS: tuple[RollbackLevel, ...] = ("config", "code", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSource:
    """A release by name: its code, where it is not today's, and its settings."""

    ref: str = ""
    """A tag, branch or commit of the repository around the service's folder."""
    folder: str = ""
    """A folder that holds the code; absolute once the profile is loaded."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What differs from `[service.env]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRelease:
    """The bad releases that a drill rolls back from; each must start, and be bad."""

    settings: Mapping[str, str] = field(default_factory=dict)
    patch: str = ""
    """A unified diff of the service's code; absolute once the profile is loaded."""
    migration: str = ""
    """A file of SQL that corrupts data; absolute once the profile is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """Which releases there are, and what must hold between them."""

    previous: str = ""
    """What a rollback of code goes to: a name of `named`, or a git ref; without it the newest tag."""
    expand_only: tuple[str, ...] = ()
    """Migrations that code which does not know them can live with, as their files are named."""
    named: Mapping[str, ReleaseSource] = field(default_factory=dict)
    drill: PlantedRelease = PlantedRelease()


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as it runs, or ran: code and settings."""

    name: str
    """What people call it: a name of the profile, a ref, or a commit."""
    commit: str = ""
    """Of the code; "" where that is a folder as it stands."""
    cwd: str = ""
    """The folder of the code; "" while it has not been had from git."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What differs from `[service.env]`."""

    @property
    def code(self) -> str:
        """What tells its code from another's."""
        return self.commit or self.cwd
