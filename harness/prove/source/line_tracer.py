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

_OPENED_AT = 0
"""The line that stands for a file which was read as a whole, such as one of settings."""

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
    # Jinja runs a template as Python of its own, which knows what line of the template each of its lines is
    template = frame.f_globals.get("__jinja_template__")
    line_of = template.get_corresponding_lineno if template is not None else int
    _ran[0].add((file, line_of(frame.f_lineno)))

    def line(inner: FrameType, _event: str, _argument: object) -> Any:  # noqa: ANN401
        _ran[0].add((file, line_of(inner.f_lineno)))
        return line

    return line


def _opened(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)) and not _is_code(str(arguments[0])):
        place = os.path.realpath(os.fspath(arguments[0]))
        if place.startswith(_TOP):
            _ran[0].add((place[len(_TOP) :], _OPENED_AT))


def _is_code(name: str) -> bool:
    return name.endswith((".py", ".pyc")) or "__pycache__" in name


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
    sys.addaudithook(_opened)
    _begin()
