"""Small mistakes in files of settings (`NAME=value`, TOML): a number a little off, a unit mistaken, a switch turned."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import partial

from harness.prove.source.edit import SourceChange, SourceEdit

_LINE = re.compile(
    r"""^(?P<head>\s*(?:export\s+)?(?P<name>[A-Za-z_][\w.-]*)\s*=\s*["']?)(?P<value>[^"'#\s]*)(?P<tail>.*)$"""
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SWITCHES = {"true": "false", "false": "true", "yes": "no", "no": "yes", "on": "off", "off": "on"}
_UNITS = (60, 1000)


def setting_changes(name: str, text: str) -> Iterator[SourceChange]:
    """What can be changed in a file of settings. Raises SyntaxError for TOML that is none."""
    if name.endswith(".toml") and (problem := _toml_problem(text)):
        raise SyntaxError(problem)
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        match = _LINE.match(line.rstrip("\r\n"))
        if match is None:
            continue
        ending = line[len(line.rstrip("\r\n")) :]
        for operator, value in _others(match["value"]):
            changed = f"{match['head']}{value}{match['tail']}{ending}"
            yield SourceChange(operator=operator, make=partial(_edit, name, lines, number, changed, operator))
        yield SourceChange(operator="setting-dropped", make=partial(_edit, name, lines, number, "", "setting-dropped"))


def _others(value: str) -> Iterator[tuple[str, str]]:
    other = _SWITCHES.get(value.lower())
    if other is not None:
        yield "setting-switch", other
    elif _NUMBER.fullmatch(value):
        if value.isdigit():
            yield "setting-number", str(int(value) + 1)
            if int(value):
                yield "setting-number", str(int(value) - 1)
        for unit in _UNITS:
            yield "setting-unit", str(int(value) * unit) if value.isdigit() else repr(float(value) * unit)


def _edit(name: str, lines: list[str], number: int, changed: str, operator: str) -> SourceEdit | None:
    before, after = "".join(lines), "".join((*lines[:number], changed, *lines[number + 1 :]))
    match = _LINE.match(lines[number].rstrip("\r\n"))
    if after == before or match is None or (name.endswith(".toml") and _toml_problem(after)):
        return None
    said = match["name"].rpartition(".")[2]
    return SourceEdit(
        file=name,
        operator=operator,
        first=number + 1,
        last=number + 1,
        names=tuple(dict.fromkeys((said, said.lower()))),
        before=before,
        after=after,
    )


def _toml_problem(text: str) -> str:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)
    return ""
