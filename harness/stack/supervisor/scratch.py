"""A folder for work that needs no stack, and the end of what works in it, however the harness ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness.stack.supervisor.client import Supervision
from harness.stack.supervisor.process import MARK
from harness.stack.supervisor.registry import home_folder, make_owner_record, write_owner


@contextmanager
def guarded_folder() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """An empty private folder, and what a process needs in its environment to be ended with it.

    Folder and processes are gone afterwards; after a SIGKILL of this process, too. Raises StackError if the supervisor
    that sees to it does not start.
    """
    mark = secrets.token_hex(6)
    home = home_folder(mark)
    supervision = Supervision(mark)
    try:
        supervision.own_folder(home)
        home.mkdir(mode=0o700)
        write_owner(home, make_owner_record(mark, supervision.pid, supervision.start, (home,), ""))
        place = home / "scratch"
        place.mkdir()
        yield place, {MARK: mark}
    finally:
        supervision.down()
