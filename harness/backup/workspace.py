"""A place for a backup's programs and servers, and the end of all of them, however the harness ends."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.stack.readiness import describe_exit, tail
from harness.stack.servers.binaries import start_program
from harness.stack.supervisor.client import Order, Supervision
from harness.stack.supervisor.registry import home_folder, make_owner_record, sweep, write_owner

_LONGEST_S = 24 * 3600.0
"""Of one program: how long it takes grows with the data, and a person may interrupt it."""


@dataclass
class Workspace:
    """A private folder, and the supervisor that ends what works in it."""

    home: Path
    supervision: Supervision
    folders: tuple[Path, ...] = ()

    @property
    def mark(self) -> str:
        """What tells its folders and processes from those of others."""
        return self.supervision.mark

    def own(self, folder: Path) -> Path:
        """Have that folder removed with the workspace, if it is there then; to be told before it is made."""
        self.supervision.own_folder(folder)
        self.folders = (*self.folders, folder)
        supervisor = self.supervision
        write_owner(self.home, make_owner_record(self.mark, supervisor.pid, supervisor.start, self.folders, ""))
        return folder

    def run(self, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        """Run a program to its end. Raises StackError with the end of its output where it fails."""
        name = Path(argv[0]).name
        log = self.home / f"{name}.log"
        order = Order(name=name, argv=argv, env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **env}, log=log)
        start_program(self.supervision, order)
        status = self.supervision.wait(name, _LONGEST_S)
        if status != 0:
            said = tail(log)
            how = "does not end" if status is None else describe_exit(status)
            raise StackError(f"{name} {how}: {telling_line(said, (': error: ',))}", output=said)


def telling_line(said: str, signs: tuple[str, ...]) -> str:
    """The last line of a program's output that has one of those signs; its last line where none has."""
    lines = said.splitlines() or ["it says nothing"]
    return next((line for line in reversed(lines) if any(sign in line for sign in signs)), lines[-1]).strip()


@contextmanager
def workspace() -> Iterator[Workspace]:
    """A workspace; it, and each folder that it owns and that is there then, is gone afterwards.

    After a SIGKILL of this process its supervisor sees to that; where that is killed too, the next workspace or stack.
    """
    sweep()
    mark = secrets.token_hex(6)
    home, supervision = home_folder(mark), Supervision(mark)
    try:
        supervision.own_folder(home)
        home.mkdir(mode=0o711)
        # whatever the umask: the servers' user passes through
        home.chmod(0o711)
        place = Workspace(home, supervision)
        place.own(home)
        yield place
    finally:
        supervision.down()
