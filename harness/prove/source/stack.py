"""A stack of the service's copied sources: a mutant is written into them, and the service alone is started again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.faults.process import Process
from harness.faults.rig import Rig
from harness.model import Listener, StackInfo, Target
from harness.prove.source.edit import SourceEdit
from harness.prove.source.line_tests import TRACER
from harness.stack import Stack, launch
from harness.stack.servers.clients import connect_cache
from harness.stack.servers.postgres import restore_prepared
from harness.stack.source_copy import copy_source, source_of


@dataclass(slots=True)
class SourceStack:
    """The service of one copy of its sources, on databases that are as they were prepared before each mutant."""

    target: Target
    stack: Stack
    rig: Rig
    folder: Path
    """The copy."""
    sources: Mapping[str, bytes]
    """Every file of it, as it was copied."""

    def plant(self, edit: SourceEdit | None) -> None:
        """Start the service with that change of its sources, or with none, whatever it did before.

        Raises StartupError where the service does not get ready with it, StackError where the stack is at fault.
        """
        processes: tuple[Process, ...] = (*self.rig.instances, *self.rig.workers)
        for one in processes:
            if self.rig.exit_status(one) is None:
                self.rig.kill(one)
        self._write_back(without=edit.file if edit is not None else "")
        if edit is not None:
            (self.folder / edit.file).write_text(edit.after, encoding="utf-8")
        _restore(self.stack.info)
        for one in processes:
            self.rig.start(one)

    def _write_back(self, *, without: str) -> None:
        """Undo what the one before changed of its own files, and what it made beside them, but for compiled ones."""
        for name, content in self.sources.items():
            file = self.folder / name
            if name != without and (not file.is_file() or file.read_bytes() != content):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        for file in self.folder.rglob("*"):
            known = file.relative_to(self.folder).as_posix() in self.sources or "__pycache__" in file.parts
            if not known and (file.is_symlink() or not file.is_dir()):
                file.unlink()


@contextmanager
def start_source(
    target: Target, overrides: Mapping[str, str], scratch: Path, listen: Listener, *, lines: Path | None = None
) -> Iterator[SourceStack]:
    """Start a copy of the target; with `lines`, its processes write there which lines they run. Raises as `launch`."""
    folder = copy_source(source_of(target), scratch / "copy").resolve()
    sources = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    service = replace(target.service, cwd=str(folder))
    if lines is not None:
        service = replace(service, env={**service.env, **_traced(service.env, folder, lines)})
    copied = replace(target, service=service)
    with launch(copied, overrides=overrides, listen=listen) as stack:
        yield SourceStack(copied, stack, Rig(copied, stack), folder, sources)


def _traced(env: Mapping[str, str], folder: Path, lines: Path) -> Mapping[str, str]:
    """Settings by which every process of the service loads the tracer."""
    place = lines / "tracer"
    place.mkdir(parents=True)
    shutil.copyfile(TRACER, place / "sitecustomize.py")
    path = os.pathsep.join(filter(None, (str(place), env.get("PYTHONPATH", ""))))
    return {"PYTHONPATH": path, "HARNESS_LINES_OF": str(folder), "HARNESS_LINES_TO": str(lines)}


def _restore(info: StackInfo) -> None:
    if info.database_url is not None:
        restore_prepared(urlsplit(info.database_url).port or 0, info.secrets["postgres_superuser"])
    if info.redis_url is not None:
        with connect_cache(info.redis_url) as cache:
            cache.flushall()
