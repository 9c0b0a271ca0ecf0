"""Which operation an exchange belongs to: as the OpenAPI document names it, or by what its path looks like."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from harness.prove.model import Where
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_MOST_CACHED = 10_000
_PARAMETER = re.compile(r"\\\{[^/{}]*\\\}")
_IDENTIFIER = re.compile(r"\d+|[0-9a-fA-F-]{16,}|.{41,}")
_NOT_THERE = frozenset({404, 405, 501})
UNKNOWN_PATH = "(unknown path)"


class Operations:
    """Names operations: `GET /api/deals/{deal_id}`."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """`names` are those of the OpenAPI document; none where the service has no such document."""
        paths = dict.fromkeys(name.partition(" ")[2] for name in names)
        # of several templates that fit, the one with the fewest parameters (OpenAPI 3.1, 4.8.8.2)
        self._templates = [(_pattern(path), path) for path in sorted(paths, key=lambda path: (path.count("{"), path))]
        self._known: dict[str, str] = {}

    def name(self, method: str, path: str, status: int = 200) -> str:
        """The operation of a request.

        A path that no template fits stays itself, with `{id}` for what looks like an identifier; one that the service
        says it does not have is `(unknown path)`: all such paths are one operation.
        """
        template = self._template(path)
        if template is None:
            template = UNKNOWN_PATH if status in _NOT_THERE else _shortened(path)
        return f"{method} {template}"

    def _template(self, path: str) -> str | None:
        found = self._known.get(path)
        if found is None:
            found = next((template for pattern, template in self._templates if pattern.fullmatch(path)), "")
            if len(self._known) < _MOST_CACHED:
                self._known[path] = found
        return found or None


def fits(where: Where, status: int, content_type: str, *names: str) -> bool:
    """Does a defect's `where` take an exchange of that status and media type, whose operation has these names?"""
    return (
        fnmatchcase(str(status), where.status.replace("x", "?"))
        and fnmatchcase(content_type, where.content_type)
        and any(fnmatchcase(name, where.operation) for name in names)
    )


class WhereFilter:
    """A defect's `where` at the proxy: may the mutant change this exchange?"""

    def __init__(self, where: Where, operations: Operations) -> None:
        self._where = where
        self._operations = operations

    def takes(self, request: ProxiedRequest, answer: ProxiedAnswer) -> bool:
        """May the mutant change this exchange?"""
        return fits(self._where, answer.status, content_type(answer), *self._names(request, answer.status))

    def asks(self, request: ProxiedRequest, status: int = 200) -> bool:
        """Does the request go to such an operation, by its template or by its own path?"""
        return any(fnmatchcase(name, self._where.operation) for name in self._names(request, status))

    def _names(self, request: ProxiedRequest, status: int) -> tuple[str, str]:
        return f"{request.method} {request.path}", self._operations.name(request.method, request.path, status)


def content_type(answer: ProxiedAnswer) -> str:
    """Media type of an answer in small letters, without parameters; "" if it names none."""
    return (answer.header("Content-Type") or "").partition(";")[0].strip().lower()


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub("[^/]+", re.escape(template.rstrip("/"))) + "/?")


def _shortened(path: str) -> str:
    return "/".join("{id}" if _IDENTIFIER.fullmatch(part) else part for part in path.split("/"))
