"""The checks that the gate itself and pytest's controlling process have to say something of."""

from __future__ import annotations

from enum import StrEnum


class GateCheck(StrEnum):
    """Policies are checked against these ids."""

    STARTUP = "startup"
    """The service came up, or answers."""
    PROCESS_LIVES = "process.lives"
    """Each process of the service was still there at the end."""
    BUILD_CHANGED = "build.changed"
    """A service of somebody else was another build at the end."""
    COLLECTION = "collection"
    """A file of tests could not be collected, or left itself out."""
    SUITE_CRASHED = "suite.crashed"
    """A suite was not run to its end."""
    WORKER_CRASHED = "worker.crashed"
    """A process that ran a test died."""


BROKEN_OFF = frozenset({GateCheck.COLLECTION, GateCheck.STARTUP, GateCheck.SUITE_CRASHED, GateCheck.WORKER_CRASHED})
"""Where one of these is red, it says why tests are missing."""
