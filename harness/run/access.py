"""Who may read a run: its user alone, unless `--share` asked for what the umask gives.

Like the umask it is a property of the process and of those that it starts: a proof's gates have the same readers.
"""

from __future__ import annotations

import os
from pathlib import Path

_SHARED = "HARNESS_SHARE_RUNS"
"""Set for processes of ours alone; a service under test never inherits our environment."""


def share_runs(*, shared: bool) -> None:
    """Say for this process and those that it starts whether others may read the runs that are made from now on."""
    if shared:
        os.environ[_SHARED] = "1"
    else:
        os.environ.pop(_SHARED, None)


def make_run_folder(path: Path) -> None:
    """Make a folder for a run or a proof; those around it are left to the umask. Raises `OSError` if it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.environ.get(_SHARED):
        path.mkdir()
    else:
        path.mkdir(mode=0o700)
