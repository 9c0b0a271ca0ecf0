"""axe-core's rules of accessibility, run in an open page.

The script is evaluated from outside, as a debugger would: the page's own policy neither lets it in nor keeps it out.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    from playwright.sync_api import Page

PACKAGED = Path(sys.prefix) / "node" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `make setup` puts axe-core."""

_RUN = "() => axe.run(document, {resultTypes: ['violations']})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element that breaks a rule."""

    place: str
    """Its CSS selector."""
    html: str
    """As it begins in the page; axe-core cuts what is long."""
    what: str
    """What would mend it, in axe-core's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One rule that a page breaks, and where."""

    rule: str
    """axe-core's id of it, such as `color-contrast`."""
    impact: str
    """`minor`, `moderate`, `serious` or `critical`, as axe-core sees it."""
    what: str
    help_url: str
    """Where axe-core explains the rule."""
    elements: tuple[Element, ...]
    """All that break it."""

    @property
    def places(self) -> tuple[str, ...]:
        """CSS selectors of the elements that break it."""
        return tuple(element.place for element in self.elements)

    @property
    def lines(self) -> tuple[str, ...]:
        """Rule, impact and what is wrong, a line for each element."""
        return tuple(f"{self.rule} ({self.impact}): {self.what}: {place}" for place in self.places)


def find_axe(named: str | None = None, packaged: Path = PACKAGED) -> Path | None:
    """The script, or None. `named` is what the user set (HARNESS_AXE). Raises UsageError if that is no file."""
    if named:
        if not Path(named).is_file():
            raise UsageError(f"HARNESS_AXE names {named}, which is no file: name axe-core's axe.min.js, or unset it")
        return Path(named)
    return packaged if packaged.is_file() else None


def run_axe(page: Page, script: str) -> tuple[Violation, ...]:
    """What `script` (the text of `axe.min.js`) finds in the page as it stands and in its frames."""
    for frame in page.frames:
        frame.evaluate(script)
    found: dict[str, Any] = page.evaluate(_RUN)
    return tuple(
        Violation(
            rule=one["id"],
            impact=one["impact"] or "minor",
            what=one["help"],
            help_url=one["helpUrl"],
            elements=tuple(
                Element(
                    place=" ".join(map(str, node["target"])), html=node["html"], what=node.get("failureSummary") or ""
                )
                for node in one["nodes"]
            ),
        )
        for one in found["violations"]
    )
