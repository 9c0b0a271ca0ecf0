"""When each test and each fixture ran: with it, requests seen elsewhere are known to be theirs."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.machine.decoding import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """A stretch of the machine's monotonic clock, in seconds."""

    name: str
    begin: float
    end: float


@dataclass(slots=True, kw_only=True)
class SuiteJournal:
    """The tests of one session that ran one after another, and the fixtures that several of them share."""

    tests: list[TimeSpan] = field(default_factory=list)
    shared: list[TimeSpan] = field(default_factory=list)
    """Set-ups of fixtures that outlive a test."""
    users: dict[str, list[str]] = field(default_factory=dict)
    """Fixture -> tests that ask for it."""


_JOURNAL = Reader(SuiteJournal)


def read_journal(path: Path) -> SuiteJournal:
    """What a session wrote of its tests."""
    return _JOURNAL.json(path.read_bytes())


class Timeline:
    """A journal, to be asked which tests something belongs to that happened elsewhere.

    Right only for tests that ran one after another.
    """

    def __init__(self, journal: SuiteJournal) -> None:
        self._users = journal.users
        self._tests, self._shared = _Spans(journal.tests), _Spans(journal.shared)

    def owners(self, begin: float, end: float) -> frozenset[str]:
        """The tests that ran meanwhile, and all that use a fixture that was being set up."""
        users = (self._users.get(fixture, ()) for fixture in self._shared.during(begin, end))
        return frozenset(self._tests.during(begin, end)).union(*users)


class _Spans:
    """Stretches of time, to be asked which of them overlap another; they may lie within each other."""

    def __init__(self, spans: Collection[TimeSpan]) -> None:
        self._spans = sorted(spans, key=lambda span: span.begin)
        self._begins = [span.begin for span in self._spans]
        self._longest = max((span.end - span.begin for span in spans), default=0.0)

    def during(self, begin: float, end: float) -> list[str]:
        """Names of the spans that have a moment in common with it."""
        first = bisect_right(self._begins, begin - self._longest - 1e-9)
        last = bisect_right(self._begins, end)
        return [span.name for span in self._spans[max(0, first - 1) : last] if span.begin <= end and span.end >= begin]


class JournalHooks:
    """Keeps the journal of this session, and writes it at its end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._journal = SuiteJournal()

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
