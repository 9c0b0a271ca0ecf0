"""What is known of one subject, as a table of a profile with the reason for each line, and as TOML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Value = bool | str | float | tuple[str, ...] | Mapping[str, str]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftKey:
    """A line of the profile, and what it was guessed from ("" for what is certain)."""

    name: str
    value: Value
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTable:
    """A table: its lines, remarks, and what a person may add: lines of TOML that are written behind a `#`."""

    table: str
    keys: tuple[DraftKey, ...] = ()
    notes: tuple[str, ...] = ()
    example: tuple[str, ...] = ()

    @property
    def toml(self) -> str:
        """The table as text. A remark begins with `# `, a line to take over with `#` alone."""
        lines = [f"[{self.table}]"] if self.keys else []
        told = ""
        for key in self.keys:
            if key.why and key.why != told:
                lines.append(comment(f"guessed: {key.why}"))
                told = key.why
            lines.append(f"{_key(key.name)} = {_value(key.value)}")
        lines += [comment(note) for note in self.notes]
        lines += [f"#{line}" for line in self.example]
        return "\n".join(lines)


def comment(text: str) -> str:
    """A text of any origin as one line that is nothing but a comment."""
    return f"# {' '.join(_plain(text).split())}"


def quoted(text: str) -> str:
    """A text of any origin as a TOML string."""
    escaped = _plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(text: str) -> str:
    return _SURROGATES.sub("\ufffd", _UNPRINTED.sub(" ", text))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def _value(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case tuple():
            return f"[{', '.join(quoted(one) for one in value)}]"
        case Mapping():
            return f"{{ {', '.join(f'{_key(key)} = {quoted(one)}' for key, one in value.items())} }}"
    return str(int(value)) if float(value).is_integer() else str(value)
