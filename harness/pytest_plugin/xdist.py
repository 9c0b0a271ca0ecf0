"""How tests are spread over xdist's workers: each for itself, but a file that has a rig as a whole.

A rig is a stack that a module starts for itself; spread over workers, it would be started by each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

_RIG = "mark.rig"


class Spreading:
    """Takes the place of xdist's `--dist load`; every other way to spread is left alone."""

    def __init__(self, file_of: Callable[[str], Path]) -> None:
        self._file_of = file_of

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> object:  # noqa: ANN401 - xdist's own
        """Called by xdist once, in the controlling process."""
        return _Scheduling(config, log, self._file_of) if config.option.dist == "load" else None


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist's types are not installed
    def __init__(self, config: pytest.Config, log: Any, file_of: Callable[[str], Path]) -> None:  # noqa: ANN401
        super().__init__(config, log)
        self._has_rig = cache(lambda name: _mentions_rig(file_of(name)))

    def _split_scope(self, nodeid: str) -> str:
        name = nodeid.partition("::")[0]
        return name if self._has_rig(name) else nodeid

    def schedule(self) -> None:
        """A worker begins a test only once it knows what follows: one that takes a dead one's place is told as well."""
        replaces = self.collection is not None
        super().schedule()
        if replaces:
            super().schedule()

    def remove_node(self, node: Any) -> str | None:  # noqa: ANN401 - xdist's WorkerController
        """The test during which a worker died is not run again: it would take the next worker with it.

        Nor is what it had done given to the next one, which would wait for ever behind a unit of no tests.
        """
        units = self.assigned_work[node]
        pending = [(unit, nodeid) for unit in units.values() for nodeid, completed in unit.items() if not completed]
        if pending:
            unit, crashed = pending[0]
            unit[crashed] = True
        for name in [name for name, unit in units.items() if all(unit.values())]:
            del units[name]
        super().remove_node(node)
        return pending[0][1] if pending else None


def _mentions_rig(file: Path) -> bool:
    return file.is_file() and _RIG in file.read_text(encoding="utf-8", errors="replace")
