"""Did the service and its workers start without a word of warning? What they complained of then, nobody reads later.

Understood are JSON lines with a level, logfmt, lines that begin with a level in capitals or brackets, Python's
tracebacks and warnings. Whatever names no level is taken for information.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.model import Instance, StackInfo, Worker
from harness.preflight.check import Check, ReadinessFinding, Scene, fine, first_few, nothing_to_ask, unknown, wrong

_MOST_BYTES = 2**22
_SHOWN = 3
_LONGEST = 160
_LEVEL_KEYS = ("level", "levelname", "level_name", "log_level", "loglevel", "log.level", "lvl", "severity", "@level")
_TEXT_KEYS = ("message", "msg", "event", "@message")
_BAD = frozenset({"warn", "warning", "err", "error", "critical", "crit", "fatal", "panic", "alert", "emerg", "severe"})
_BAD_NUMBER = 40
"""Bunyan's and pino's number of a warning, Python's of an error."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LOGFMT = re.compile(r'(?:^|\s)(?:level|lvl|severity)="?(\w+)')
_WORD = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|FATAL|PANIC|ALERT|EMERG|SEVERE)\b"
    r"|\[(trace|debug|info|notice|warn|warning|error|crit|critical|fatal|alert|emerg)\]"
)
_SAID_SO = re.compile(r"^Traceback \(most recent call last\):|\b[A-Z]\w*Warning: ")


def check_clean_start(scene: Scene) -> ReadinessFinding:
    """The logs of the service and its workers, from their start until they were ready."""
    logs = dict(_logs(scene.info))
    if not logs:
        return unknown("the service was started by somebody else: its log is not known here")
    rules = scene.target.preflight
    lines = [
        (f"{name}:{number}", line) for name, text in logs.items() for number, line in enumerate(text.splitlines(), 1)
    ]
    known, complaints = _sorted_complaints(lines, (*rules.expected_log, *rules.known_warnings))
    count = len(lines)
    if not count:
        return nothing_to_ask("not applicable: the service logs nothing until it is ready, so there is nothing to read")
    told = {"logs": list(logs), "lines": count, "complaints": complaints[:50], "known": known}
    if complaints:
        return wrong(
            f"{len(complaints)} of {count} lines until ready complain: {first_few(complaints, _SHOWN)}",
            "mend what is complained of (harness logs); what needs no deed belongs into [preflight] expected_log",
            value=float(len(complaints)),
            unit="lines",
            n=count,
            detail=told,
        )
    beside = f" but {known} known ones" if known else ""
    return fine(f"{count} lines until ready, no warning{beside}", value=0.0, unit="lines", n=count, detail=told)


def _sorted_complaints(lines: Iterable[tuple[str, str]], expected: Sequence[str]) -> tuple[int, list[str]]:
    """How many lines complain of what is known, and what the others complain of."""
    known, complaints = 0, []
    for place, line in lines:
        said = complaint(line)
        if said and any(text in line for text in expected):
            known += 1
        elif said:
            complaints.append(f"{place}: {said}")
    return known, complaints


def complaint(line: str) -> str | None:
    """What a line of a log warns of; None if it does not."""
    plain = _COLOUR.sub("", line).strip()
    fields = _fields(plain)
    level = _level(fields)
    if level:
        text = next((str(fields[key]) for key in _TEXT_KEYS if fields.get(key)), plain)
        return _short(f"{level}: {text}") if _is_bad(level) else None
    word = _LOGFMT.search(plain) or _WORD.search(plain)
    bad = _is_bad(next(filter(None, word.groups()))) if word is not None else bool(_SAID_SO.search(plain))
    return _short(plain) if bad else None


def _fields(line: str) -> Mapping[str, Any]:
    """The members of a line that is a JSON object."""
    try:
        return dict(json.loads(line)) if line.startswith("{") else {}
    except (ValueError, RecursionError):
        return {}


def _level(fields: Mapping[str, Any]) -> str | None:
    nested = fields.get("log")
    if isinstance(nested, dict) and isinstance(nested.get("level"), str):
        return str(nested["level"])
    return next((str(fields[key]) for key in _LEVEL_KEYS if isinstance(fields.get(key), str | int)), None)


def _is_bad(level: str) -> bool:
    return int(level) >= _BAD_NUMBER if level.isdecimal() else level.lower() in _BAD


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _logs(info: StackInfo) -> Iterator[tuple[str, str]]:
    """What each copy and each worker had written when it was ready, by the name of its log."""
    processes: tuple[Instance | Worker, ...] = (*info.instances, *info.workers)
    for process in processes:
        log = Path(process.log)
        if process.log and log.is_file():
            most = _MOST_BYTES if process.ready_bytes is None else min(process.ready_bytes, _MOST_BYTES)
            with log.open("rb") as file:
                yield log.name, file.read(most).decode(errors="replace")


CHECKS = (
    Check(
        id="preflight.clean_start",
        order=190,
        subject="service",
        title="start without warnings",
        ask=check_clean_start,
        live=True,
    ),
)
