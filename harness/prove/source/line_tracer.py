"""Runs within each process of the service, as `sitecustomize`: which lines of it ran, and when, by the machine's clock.

It stands alone, since it is copied beside a service that has no harness. Code outside of the service's folder costs a
look at each call.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

_TOP = os.path.realpath(os.environ.get("HARNESS_LINES_OF", "")) + os.sep
_FOLDER = Path(os.environ.get("HARNESS_LINES_TO", ""))
_EPOCH_S = 0.05
"""How finely it is told when a line ran."""

_files: dict[CodeType, str] = {}
_ran: list[set[tuple[str, int]]] = [set()]


def _call(frame: FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401 - what sys.settrace asks for
    code = frame.f_code
    file = _files.get(code)
    if file is None:
        place = os.path.realpath(code.co_filename)
        file = _files[code] = place[len(_TOP) :] if place.startswith(_TOP) else ""
    if not file:
        return None
    _ran[0].add((file, frame.f_lineno))

    def line(inner: FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401
        _ran[0].add((file, inner.f_lineno))
        return line

    return line


def _write(begun: float) -> None:
    """Write what ran since then, and begin anew."""
    ran, _ran[0] = _ran[0], set()
    files: dict[str, list[int]] = {}
    for file, line in ran:
        files.setdefault(file, []).append(line)
    if files:
        record = {"command": sys.orig_argv, "begin": begun, "end": time.monotonic(), "files": files}
        with (_FOLDER / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")


def _watch() -> None:
    while True:
        begun = time.monotonic()
        time.sleep(_EPOCH_S)
        _write(begun)


def _begin() -> None:
    threading.settrace(_call)
    sys.settrace(_call)
    threading.Thread(target=_watch, name="harness-lines", daemon=True).start()


if __name__ == "sitecustomize":
    atexit.register(lambda: _write(time.monotonic()))
    os.register_at_fork(after_in_child=_begin)
    _begin()
