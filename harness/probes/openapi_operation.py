"""One operation of a description, and the concrete paths that are it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from harness.model.network import SAFE_METHODS

_NAME = re.compile(r"\{[^/{}]*\}")


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


class Routes:
    """Operations by the paths that they answer."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._templated = tuple(each for each in operations if "{" in each.path)
        # the first one counts, where paths differ in their last slash alone
        self._plain = {
            (each.method, unquote(each.path.rstrip("/"))): each for each in reversed(operations) if "{" not in each.path
        }

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that answers a concrete path; of several the most concrete one (3.1 4.8.8.2)."""
        asked = urlsplit(path).path.rstrip("/")
        plain = self._plain.get((method.upper(), unquote(asked)))
        if plain is not None:
            return plain
        # a slash that is encoded is no border of segments
        wanted = [unquote(segment) for segment in asked.split("/")]
        found = (each for each in self._templated if each.method == method.upper() and fits(each.path, wanted))
        return min(found, key=lambda each: _how_open(each.path), default=None)


def fits(template: str, wanted: list[str]) -> bool:
    """Does a concrete path, by its segments, fit a path with `{names}`?"""
    parts = unquote(template.rstrip("/")).split("/")
    return len(parts) == len(wanted) and all(map(_fits_part, parts, wanted))


def _how_open(template: str) -> tuple[int, list[bool], int]:
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
