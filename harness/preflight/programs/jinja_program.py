"""Renders a service's Jinja templates. The service's own Python runs this text, in the service's folder: nothing of the
harness is there. In and out: JSON, on the standard streams.
"""

import importlib
import json
import os
import re
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError, meta

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Sample(dict[str, Any]):
    """Sample data as templates read it: a name with and without brackets, even if dictionaries have such a method."""

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return dict.__getitem__(self, name) if name in self else super().__getattribute__(name)

    def __missing__(self, key: object) -> Any:  # noqa: ANN401 - JSON, which has text for keys
        if isinstance(key, int) and str(key) in self:
            return self[str(key)]
        raise KeyError(key)


# Jinja names a value by its class, and by its module too if that is not built in.
Sample.__module__ = "builtins"


def alive(data: Any) -> Any:  # noqa: ANN401 - JSON
    """JSON data with objects that have attributes, and moments for texts that are one (RFC 3339)."""
    if isinstance(data, dict):
        return Sample({name: alive(value) for name, value in data.items()})
    if isinstance(data, list):
        return [alive(value) for value in data]
    if isinstance(data, str) and _MOMENT.fullmatch(data):
        # Z is known from Python 3.11 on, and the service may run on an older one
        return datetime.fromisoformat(data.upper().replace("Z", "+00:00"))  # noqa: FURB162
    return data


def environments(asked: dict[str, Any]) -> dict[str, Environment]:
    """Environment by prefix of template names; undefined names are errors in each."""
    if not asked["environments"]:
        return {"": Environment(loader=FileSystemLoader(asked["root"]), autoescape=True, undefined=StrictUndefined)}
    made: dict[str, Environment] = {}
    for prefix, place in asked["environments"].items():
        module, _, names = place.partition(":")
        found: Any = importlib.import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
        made[prefix] = found.overlay(undefined=StrictUndefined)
    return made


def problem(error: Exception, root: str, name: str) -> dict[str, Any]:
    """What went wrong, at the innermost line of a template that was at work."""
    own = str(Path(root, name))
    if isinstance(error, TemplateSyntaxError):
        return {"file": str(Path.cwd() / (error.filename or own)), "line": error.lineno, "message": str(error.message)}
    frames = [(str(Path.cwd() / frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    last = [(own, None), *(frame for frame in frames if frame[0].startswith(root + os.sep))][-1]
    return {"file": last[0], "line": last[1], "message": f"{type(error).__name__}: {error}"}


def reached(made: Environment, name: str, seen: set[str]) -> None:
    """Add to `seen` what a template brings with it, as far as its text names it."""
    if name in seen or made.loader is None:
        return
    seen.add(name)
    for other in meta.find_referenced_templates(made.parse(made.loader.get_source(made, name)[0])):
        if other is not None:
            reached(made, other, seen)


def main() -> None:
    """Answer the one question on the standard input."""
    answer_to = os.fdopen(os.dup(1), "w")
    # what modules print while they are imported is no part of the answer
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    asked = json.load(sys.stdin)
    made = environments(asked)
    problems: list[dict[str, Any]] = []
    seen: set[str] = set()
    for name in asked["names"]:
        one = made[max((prefix for prefix in made if name.startswith(prefix)), key=len, default=next(iter(made)))]
        try:
            template = one.get_template(name)
            for data in asked["samples"].get(name, ()):
                template.render(alive(data))
            if name in asked["samples"]:
                reached(one, name, seen)
        except Exception as error:  # noqa: BLE001 - filters are the service's code: each may raise what it likes
            problems.append(problem(error, asked["root"], name))
    usual = all((one.variable_start_string, one.block_start_string) == ("{{", "{%") for one in made.values())
    json.dump({"problems": problems, "rendered": sorted(seen), "usual": usual}, answer_to)


main()
