"""One operation of a description, and the concrete paths that are it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from harness.model.network import SAFE_METHODS

_NAME = re.compile(r"\{[^/{}]*\}")
_ORDER = re.compile(
    r"(?:create|delete|remove|drop|reset|purge|clear|flush|wipe|truncate|destroy|erase|seed|populate|init|initiali[sz]e"
    r"|migrate|reindex|rebuild|log-?_?out|sign-?_?out|log-?_?off|shut-?_?down|restart|reboot|kill|terminate|deactivate"
    r"|disable|revoke|unsubscribe|cancel|trigger)(?:db|database|data|all|everything|cache|users?|tables?|session)?"
    r"(?=$|[-_.]|(?-i:[A-Z]))",
    re.IGNORECASE,
)
"""A segment that begins with an order; `/cancelled`, `/deleted-items` and `/clearance` do not."""
_SAID_TO_ACT = re.compile(
    r"x-(?:.+-)?(?:side-?effects?|mutates|mutating|mutation|unsafe|writes|destructive|dangerous|not-safe)"
)
_SAID_TO_READ = re.compile(r"x-(?:.+-)?(?:safe|read-?only)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    """In capitals."""
    path: str
    """From the service's address on: the server's own path, then the one that the document writes, with `{names}`."""
    written: str
    """The path as the document writes it."""
    operation_id: str
    required: tuple[str, ...]
    """Names of parameters that must be given, those of the path among them."""
    needs_login: bool
    has_body: bool
    statuses: tuple[str, ...]
    """Statuses described: "200", "4XX", "default"."""
    acts: bool = False
    """Does it, by its name or an extension of the document, change something though its method only reads?"""

    @property
    def is_safe(self) -> bool:
        """Does it only read (RFC 9110 9.2.1)?"""
        return self.method in SAFE_METHODS

    @property
    def refusals(self) -> tuple[str, ...]:
        """Those of its statuses that say what is wrong with a request."""
        return tuple(status.upper() for status in self.statuses if status.startswith("4"))

    @property
    def name(self) -> str:
        """`GET /path`."""
        return f"{self.method} {self.path}"

    def is_open_below(self, path: str) -> bool:
        """Can anybody GET it with no more than one identifier right below that path: `/deals/{id}`, `/deals/{id}/x`?"""
        if not self.path.startswith(f"{path}/{{"):
            return False
        names = names_in_path(self.path)
        return (
            (self.method, self.needs_login, self.required) == ("GET", False, tuple(names))
            and len(names) == 1
            and self.path.startswith(f"{path}/{{{names[0]}}}")
        )

    def path_for(self, identifier: object) -> str:
        """The path with that in place of its parameters."""
        return _NAME.sub(lambda _: quote(str(identifier), safe=""), self.path)


def seems_to_act(path: str, raw: Mapping[str, Any]) -> bool:
    """Does the path of a read begin a segment with a word that orders something (`/createdb`, `/admin/reset-all`), or
    does the document say by an extension that it is none (`x-side-effects: true`, `x-readonly: false`)?
    """
    for key, value in raw.items():
        name = key.lower().replace("_", "-")
        if (_SAID_TO_ACT.fullmatch(name) and value not in (False, None)) or (
            _SAID_TO_READ.fullmatch(name) and value is False
        ):
            return True
    return any(_ORDER.match(segment) for segment in path.split("/") if "{" not in segment)


def fits(template: str, wanted: list[str]) -> bool:
    """Does a concrete path, by its segments, fit a path with `{names}`?"""
    parts = unquote(template.rstrip("/")).split("/")
    return len(parts) == len(wanted) and all(map(_fits_part, parts, wanted))


def how_open(template: str) -> tuple[int, list[bool], int]:
    """How much a path leaves open: its `{names}`, how early they come, and how little text is beside them."""
    segments = template.split("/")
    return template.count("{"), ["{" in segment for segment in segments], -len(_NAME.sub("", template))


def _fits_part(own: str, other: str) -> bool:
    """Are the texts between the `{names}` there in their order, something in the place of each name?

    Not by a pattern: a stranger wrote the template, and `{a}{b}{c}{d}x` as a pattern takes for ever.
    """
    first, *texts = _NAME.split(own)
    if not texts:
        return own == other
    *between, last = texts
    if not other.startswith(first):
        return False
    end = len(first)
    for text in between:
        begin = other.find(text, end + 1)
        if begin < 0:
            return False
        end = begin + len(text)
    return other.endswith(last) and len(other) - len(last) > end


def names_in_path(path: str) -> list[str]:
    """What stands in braces."""
    return re.findall(r"\{([^/{}]+)\}", path)
