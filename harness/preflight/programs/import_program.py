"""Imports modules and notes which settings their folder's own code reads meanwhile. The service's own Python runs this
text, in the service's folder: nothing of the harness is there. In and out: JSON, on the standard streams.

In: `modules`, `names`. Out: `reads`, each with `name`, `file` (relative) and `line`.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_LIBRARIES = frozenset({"site-packages", "dist-packages"})


def own_place(top: Path) -> tuple[str, int] | None:
    """The line of the service that is being run; None where a library's module is, which may copy the environment."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to look at one's callers
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return None
        file = Path(name)
        if file.is_relative_to(top) and not _LIBRARIES & set(file.parts):
            return str(file.relative_to(top)), frame.f_lineno
        frame = frame.f_back
    return None


def recording(read: Callable[..., str], names: frozenset[str], top: Path, reads: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - a method
    """The environment's own way to read, which notes what is asked for."""

    def noted(environ: object, key: object) -> str:
        if key in names and (place := own_place(top)) is not None:
            found = {"name": key, "file": place[0], "line": place[1]}
            if found not in reads:
                reads.append(found)
        return read(environ, key)

    return noted


def main() -> None:
    """Answer the one question on standard input."""
    question = json.load(sys.stdin)
    # whatever the modules print is no answer
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    top = Path.cwd().resolve()
    sys.path.insert(0, str(top))
    reads: list[dict[str, Any]] = []
    environment: Any = type(os.environ)
    environment.__getitem__ = recording(environment.__getitem__, frozenset(question["names"]), top, reads)
    for module in question["modules"]:
        importlib.import_module(module)
    json.dump({"reads": reads}, answer)
    answer.close()


main()
