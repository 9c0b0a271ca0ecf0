"""Places in a JSON document: `items[].price`, `$` for the document itself.

`[]` stands for every element of an array, since a service makes its elements by one piece of code. A name that holds
a dot, a quote or a bracket is written as JSON writes texts: `a."b.c"`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
ROOT = "$"
ELEMENTS = "[]"

_PLAIN = re.compile(r'[^."\[\]$][^."\[\]]*')
_STEP = re.compile(r'(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<plain>[^."\[\]$][^."\[\]]*)')
_DEEPEST = 5
_MOST = 80


class NotJsonError(ValueError):
    """The bytes are no JSON document (RFC 8259)."""


def parse_json(body: bytes) -> Json:
    """The document. Raises NotJsonError; NaN and Infinity, which Python would take, are no JSON."""
    try:
        document: Json = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from None
    return document


def write_json(document: Json) -> bytes:
    """The document without needless spaces; in ASCII if it holds half of a surrogate pair, which UTF-8 cannot."""
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def parse_path(path: str) -> tuple[str, ...]:
    """The steps of a path: names, and `[]` for elements; none for `$`. Raises ValueError for what is no path."""
    if path == ROOT:
        return ()
    steps: list[str] = []
    at = 0
    while at < len(path):
        if path.startswith(ELEMENTS, at):
            steps.append(ELEMENTS)
            at += len(ELEMENTS)
            continue
        if steps:
            if path[at] != ".":
                break
            at += 1
        match = _STEP.match(path, at)
        if match is None:
            break
        steps.append(str(json.loads(match["quoted"])) if match["quoted"] else match["plain"])
        at = match.end()
    if at < len(path) or not steps:
        raise ValueError(f"{path!r} is no place in a JSON document; write `items[].price`, or `$` for all of it")
    return tuple(steps)


def write_path(steps: tuple[str, ...]) -> str:
    """The path of these steps."""
    text = ""
    for step in steps:
        if step == ELEMENTS:
            text += ELEMENTS
            continue
        name = step if _PLAIN.fullmatch(step) else json.dumps(step)
        text += f".{name}" if text else name
    return text or ROOT


def change_at(document: Json, steps: tuple[str, ...], change: Callable[[Json], Json]) -> Json:
    """The document with every node at that place changed; nodes on the way are changed in place."""
    if not steps:
        return change(document)
    step, rest = steps[0], steps[1:]
    if step == ELEMENTS and isinstance(document, list):
        document[:] = [change_at(element, rest, change) for element in document]
    elif step != ELEMENTS and isinstance(document, dict) and step in document:
        document[step] = change_at(document[step], rest, change)
    return document


def nodes_of(document: Json) -> dict[str, list[Json]]:
    """Each place of a document with the nodes there, those near the root first: at most 80 places, five steps deep."""
    found: dict[str, list[Json]] = {}
    level: list[tuple[tuple[str, ...], Json]] = [((), document)]
    for _ in range(_DEEPEST + 1):
        for steps, node in level:
            path = write_path(steps)
            if path in found or len(found) < _MOST:
                found.setdefault(path, []).append(node)
        level = [inner for steps, node in level for inner in _inside(steps, node)]
    return found


def _inside(steps: tuple[str, ...], node: Json) -> Iterator[tuple[tuple[str, ...], Json]]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name != ELEMENTS:
                yield (*steps, name), value
    elif isinstance(node, list):
        for element in node:
            yield (*steps, ELEMENTS), element


def _no_number(word: str) -> Json:
    raise ValueError(f"{word} is no JSON number")
