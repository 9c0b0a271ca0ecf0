"""Runs some tests only, and no longer than needed: what a phase of a gate, and `harness prove`, ask of a session."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness.model import Observation, Outcome
from harness.pytest_plugin.evidence import attached_observations
from harness.pytest_plugin.markers import suite_of
from harness.runner.turns import SuiteTurn, turn_of, write_turns


class OnlyTests:
    """Deselects every test whose node id is not a line of the file."""

    def __init__(self, file: Path) -> None:
        self._wanted = frozenset(file.read_text(encoding="utf-8").splitlines())

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep those that are wanted."""
        left_out = [item for item in items if item.nodeid not in self._wanted]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item.nodeid in self._wanted]


class OnlyTurn:
    """Deselects the tests of another turn, and leaves word of the turns that have any."""

    def __init__(self, turn: str, told: Path) -> None:
        self._turn = turn
        self._told = told

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep those of the turn, after all others who leave out tests (`-k`, `-m`)."""
        turns = {item: turn_of({mark.name for mark in item.iter_markers()}) for item in items}
        write_turns(self._told, {SuiteTurn(suite_of(item.path, config), turn) for item, turn in turns.items()})
        left_out = [item for item in items if turns[item] != self._turn]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if turns[item] == self._turn]


class UntilFails:
    """Ends the session, as one with failures, once one of these checks has failed."""

    def __init__(self, checks: Sequence[str]) -> None:
        self._checks = tuple(checks)
        self._session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Know the session."""
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at what was observed."""
        if self._session is not None and any(self._failed(one) for one in attached_observations(report) or ()):
            self._session.shouldfail = "what was looked for has failed"

    def _failed(self, seen: Observation) -> bool:
        return seen.outcome is Outcome.FAIL and any(fnmatchcase(seen.check, check) for check in self._checks)
