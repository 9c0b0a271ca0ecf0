"""When each test and each fixture ran: with it, requests seen elsewhere are known to be theirs."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """A stretch of the machine's monotonic clock, in seconds."""

    name: str
    begin: float
    end: float


@dataclass(slots=True, kw_only=True)
class Journal:
    """The tests of one session that ran one after another, and the fixtures that several of them share."""

    tests: list[TimeSpan] = field(default_factory=list)
    shared: list[TimeSpan] = field(default_factory=list)
    """Set-ups of fixtures that outlive a test."""
    users: dict[str, list[str]] = field(default_factory=dict)
    """Fixture -> tests that ask for it."""


class JournalHooks:
    """Keeps the journal of this session, and writes it at its end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._journal = Journal()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Who shares which fixture."""
        for item in session.items:
            for name in getattr(item, "fixturenames", ()):
                self._journal.users.setdefault(name, []).append(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """A test, with its own set-up and teardown."""
        begin = time.monotonic()
        try:
            return (yield)
        finally:
            self._journal.tests.append(TimeSpan(name=item.nodeid, begin=begin, end=time.monotonic()))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """A fixture that later tests share: its requests are theirs too."""
        if fixturedef.scope == "function":
            return (yield)
        begin = time.monotonic()
        try:
            return (yield)
        finally:
            self._journal.shared.append(TimeSpan(name=fixturedef.argname, begin=begin, end=time.monotonic()))

    def pytest_sessionfinish(self) -> None:
        """Write it."""
        self._file.write_bytes(msgspec.json.encode(self._journal))
