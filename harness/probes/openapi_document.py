"""From the bytes of a service's description to a plain document: JSON or YAML, bounded, leading nowhere else.

schemathesis reads documents that somebody trusts: it follows references to files and to other hosts, and takes a member
that is null for a fault of everything around it. What is done here comes before it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

MAX_BYTES = 8 * 2**20
MAX_YAML_BYTES = 2 * 2**20
"""YAML takes ten times as long to read as JSON."""
_MOST_NODES = 1_000_000
"""As many as a YAML document may hold once its aliases are written out."""
_SHOWN_NULLS = 3
_VERSION = re.compile(r"3\.[0-2](\.\d+)*(-\w+)?")
_LOOKS_LIKE_YAML = re.compile(rb"""^(?:\xef\xbb\xbf)?["']?(?:openapi|swagger)["']?[ \t]*:""", re.MULTILINE)
_YAML_INT = re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_YAML_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
"""Numbers of YAML 1.2 (10.3.2)."""
_LITERAL = frozenset({"const", "default", "enum", "example", "examples", "value"})
"""Members that hold values, in which null is one."""
_NAMED = frozenset(
    {
        *("$defs", "callbacks", "content", "definitions", "headers", "links", "parameters", "paths"),
        *("patternProperties", "properties", "requestBodies", "responses", "schemas", "securitySchemes", "variables"),
    }
)
"""Members that hold other members by names of the author's own."""
_SAYS_NOTHING = frozenset({"accept", "content-type"})
"""Header parameters of these names are to be ignored (OpenAPI 3.1, 4.8.12.1). Authorization stays: an operation with it
is behind a login, whatever else the document says."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
OUTSIDE = "#/x-outside/"
"""Where a reference leads that led out of the document: to nothing, by a pointer that still tells where."""


class OpenApiError(ValueError):
    """The document cannot be used; the message names the place."""


class UnreadDocument(OpenApiError):  # noqa: N818 - what became of the document
    """The harness cannot read the document, or a part of it: its own limit, and no fault of the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainDocument:
    """A description as nested JSON values that lead nowhere else."""

    content: dict[str, Any]
    version: str
    """`2.0` of Swagger, `3.0.3` and the like of OpenAPI."""
    nulls: tuple[str, ...]
    """JSON pointers of members that were null; they are taken as absent."""

    @property
    def is_swagger(self) -> bool:
        """Swagger 2.0, and not OpenAPI 3."""
        return "swagger" in self.content

    def tell_nulls(self) -> str:
        """One line about the members that were null."""
        more = len(self.nulls) - _SHOWN_NULLS
        shown = ", ".join(self.nulls[:_SHOWN_NULLS]) + (f" and {more} more" if more > 0 else "")
        return f"members that are null are taken as absent: {shown}"


def read_document(data: bytes) -> PlainDocument:
    """Read OpenAPI 3.0 to 3.2 or Swagger 2.0.

    Raises `OpenApiError` in one line for what is no such document, `UnreadDocument` for what may be one and is too
    much.
    """
    parsed = _parse(data)
    if not isinstance(parsed, dict):
        raise OpenApiError("an OpenAPI document was expected, found no object")
    version = _version(parsed)
    nulls: list[str] = []
    try:
        content = _plain(parsed, "", nulls, literal=False, named=False)
    except RecursionError as error:
        raise UnreadDocument("the document is nested too deep") from error
    content["swagger" if "swagger" in parsed else "openapi"] = version
    _drop_ignored(content)
    return PlainDocument(content=content, version=version, nulls=tuple(nulls))


def _drop_ignored(content: dict[str, Any]) -> None:
    """Take parameters out that are to be ignored."""
    for holder in _path_items_and_operations(content.get("paths")):
        if isinstance(parameters := holder.get("parameters"), list):
            holder["parameters"] = [each for each in parameters if not _is_ignored(content, each)]


def _path_items_and_operations(paths: object) -> Iterator[dict[str, Any]]:
    for item in paths.values() if isinstance(paths, dict) else ():
        if isinstance(item, dict):
            yield from (each for each in (item, *item.values()) if isinstance(each, dict))


def _is_ignored(content: dict[str, Any], parameter: object) -> bool:
    node: Any = parameter
    if isinstance(node, dict) and isinstance(reference := node.get("$ref"), str) and reference.startswith("#/"):
        node = content
        for part in reference.removeprefix("#/").split("/"):
            node = node.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return isinstance(node, dict) and node.get("in") == "header" and str(node.get("name")).lower() in _SAYS_NOTHING


def looks_like_document(data: bytes) -> bool:
    """May these bytes be a description: a JSON object or YAML that begins like one?"""
    return data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" or _LOOKS_LIKE_YAML.search(data) is not None


def short(text: object) -> str:
    """One line of what may be long."""
    line = " ".join(str(text).split())
    return line if len(line) <= 200 else f"{line[:197]}…"


def _parse(data: bytes) -> object:
    data = data.removeprefix(codecs.BOM_UTF8)
    if len(data) > MAX_BYTES:
        raise UnreadDocument(f"the document is longer than {MAX_BYTES} bytes")
    try:
        document: object = json.loads(data, parse_constant=_refuse)
    except RecursionError as error:
        raise UnreadDocument("the document is no JSON that can be read: it is nested too deep") from error
    except ValueError as error:
        if not _LOOKS_LIKE_YAML.search(data):
            raise OpenApiError(f"the document is no JSON ({short(error)}), and does not look like YAML") from error
    else:
        return document
    return _parse_yaml(data)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _parse_yaml(data: bytes) -> object:
    import yaml

    if len(data) > MAX_YAML_BYTES:
        raise UnreadDocument(f"the document is YAML of more than {MAX_YAML_BYTES} bytes")
    try:
        loader = _yaml_loader()(data)
        try:
            node = loader.get_single_node()
            _count(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError as error:
        raise UnreadDocument("the document is nested too deep") from error
    except UnreadDocument:
        raise
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise OpenApiError(f"the document is neither JSON nor YAML ({short(error)})") from error


@cache
def _yaml_loader() -> Any:  # noqa: ANN401 - PyYAML has no types
    """schemathesis' loader with the numbers of YAML 1.2, which OpenAPI demands: `12:30` and `1_000` are texts there,
    and `0123` is 123."""
    from schemathesis.core.deserialization import get_yaml_loader

    parent = get_yaml_loader()
    numbers = {"tag:yaml.org,2002:int": _YAML_INT, "tag:yaml.org,2002:float": _YAML_FLOAT}
    resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag not in numbers]
        for first, known in parent.yaml_implicit_resolvers.items()
    }
    loader: Any = type("YamlLoader", (parent,), {"yaml_implicit_resolvers": resolvers})
    for tag, pattern in numbers.items():
        loader.add_implicit_resolver(tag, pattern, list("-+.0123456789"))
    loader.add_constructor("tag:yaml.org,2002:int", _yaml_int)
    return loader


def _yaml_int(loader: Any, node: Any) -> int:  # noqa: ANN401
    text: str = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _count(node: Any, counted: dict[int, int]) -> int:  # noqa: ANN401 - PyYAML has no types
    """How many nodes there are once aliases are written out. Raises `UnreadDocument` if they are too many."""
    if id(node) in counted:
        if not counted[id(node)]:
            raise UnreadDocument("an alias of the YAML document leads to itself")
        return counted[id(node)]
    counted[id(node)] = 0
    value = getattr(node, "value", ())
    parts = value if isinstance(value, list) else ()
    inside = (each for part in parts for each in (part if isinstance(part, tuple) else (part,)))
    total = 1 + sum(_count(each, counted) for each in inside)
    if total > _MOST_NODES:
        raise UnreadDocument(f"the YAML document has more than {_MOST_NODES} nodes once its aliases are written out")
    counted[id(node)] = total
    return total


def _version(document: Mapping[str, Any]) -> str:
    if "swagger" in document and "openapi" not in document:
        # YAML reads a bare 2.0 as a number
        if str(document["swagger"]) == "2.0":
            return "2.0"
        raise UnreadDocument(f"Swagger 2.0 was expected, found swagger = {short(repr(document['swagger']))}")
    found = document.get("openapi")
    if isinstance(found, (str, float)) and _VERSION.fullmatch(str(found)):
        # YAML reads a bare 3.1 as a number; schemathesis knows no version of two parts
        return f"{found}.0" if str(found).count(".") == 1 else str(found)
    kind = UnreadDocument if "openapi" in document else OpenApiError
    raise kind(f"OpenAPI 3.0 to 3.2 or Swagger 2.0 was expected, found openapi = {short(repr(found))}")


def _plain(node: Any, at: str, nulls: list[str], *, literal: bool, named: bool) -> Any:  # noqa: ANN401 - somebody's document
    """A copy without null members outside of values, and without references that lead elsewhere."""
    if isinstance(node, list):
        return [_plain(each, f"{at}/{index}", nulls, literal=literal, named=False) for index, each in enumerate(node)]
    return _plain_object(node, at, nulls, literal=literal, named=named) if isinstance(node, dict) else node


def _plain_object(node: dict[str, Any], at: str, nulls: list[str], *, literal: bool, named: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in node.items():
        place = f"{at}/{_escape(key)}"
        holds_value = literal or (not named and _holds_value(key))
        if value is None and not holds_value:
            nulls.append(place)
        elif not isinstance(value, str):
            made[key] = _plain(value, place, nulls, literal=holds_value, named=not named and key in _NAMED)
        elif key != "$schema":
            made[key] = _inside(value) if key in _REFERENCES else value
    return made


def _inside(reference: str) -> str:
    return reference if reference.startswith("#") else OUTSIDE + _escape(reference)


def _holds_value(key: str) -> bool:
    return key in _LITERAL or key.startswith("x-")


@lru_cache(maxsize=4096)
def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
