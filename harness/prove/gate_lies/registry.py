"""The lies by name; a module of lies registers its own when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.prove.gate_lies.ending import Ending

Scene = Callable[[Path], Ending]
"""Builds everything in a fresh scratch folder, runs the gate or the judge there, and tells how it ended."""


@dataclass(frozen=True, slots=True)
class Lie:
    """A scene in which the gate is lied to, and the same scene told honestly, which must end GO."""

    told: Scene
    honest: Scene


LIES: dict[str, Lie] = {}


def register(name: str, *, told: Scene, honest: Scene) -> None:
    """Make a lie known. Raises `ValueError` for a name that is taken."""
    if name in LIES:
        raise ValueError(f"two lies are called {name!r}")
    LIES[name] = Lie(told=told, honest=honest)
