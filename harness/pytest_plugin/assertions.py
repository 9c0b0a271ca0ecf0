"""Counts the assertions that a test executed: one that executed none proved nothing
(docs/suites.md#how-an-outcome-becomes-evidence).

Only what runs in the test's own phase counts: a fixture that looks at its own work proves nothing for the test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

import pytest
from _pytest.raises import RaisesExc, RaisesGroup
from _pytest.recwarn import WarningsChecker

from harness.pytest_plugin.stash import NOTES

_PLAYWRIGHT_EXPECT = "_expect_impl"
"""Every `expect(...)` of Playwright's, sync or async, ends in this method of its implementation."""


class AssertionCounter:
    """Counts for the test that runs now; pytest runs one at a time in a process."""

    def __init__(self) -> None:
        self._item: pytest.Item | None = None
        self._undo: list[Callable[[], None]] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Count for this test while it runs."""
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None

    def count(self) -> None:
        """One more assertion held."""
        if self._item is not None:
            self._item.stash[NOTES].assertions += 1

    def pytest_assertion_pass(self, item: pytest.Item) -> None:
        """Called for each rewritten `assert` that holds."""
        if item is self._item:
            self.count()

    def install(self) -> None:
        """Count `pytest.raises` and `pytest.warns` too: they assert without the word."""
        for owner in (RaisesExc, RaisesGroup, WarningsChecker):
            self._count_after(owner, "__exit__")

    def install_playwright(self) -> None:
        """Count Playwright's `expect(...)`; called where a browser is used."""
        from playwright._impl import assertions

        owner: Any = assertions.AssertionsBase
        original = getattr(owner, _PLAYWRIGHT_EXPECT)
        if getattr(original, "counted", False):
            return

        @functools.wraps(original)
        async def expect_and_count(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Playwright's private signature
            await original(*args, **kwargs)
            self.count()

        expect_and_count.counted = True  # type: ignore[attr-defined]
        setattr(owner, _PLAYWRIGHT_EXPECT, expect_and_count)
        self._undo.append(lambda: setattr(owner, _PLAYWRIGHT_EXPECT, original))

    def uninstall(self) -> None:
        """Put the originals back (pytest may run inside pytest)."""
        while self._undo:
            self._undo.pop()()

    def _count_after(self, owner: type, name: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def leave(*args: Any) -> Any:  # noqa: ANN401 - the context manager's own signature
            result = original(*args)
            if result or owner is WarningsChecker:
                self.count()
            return result

        setattr(owner, name, leave)
        self._undo.append(lambda: setattr(owner, name, original))
