"""What an operator could be told to change in an exchange: the arguments that a random draw chooses from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.probes.headers import parse_set_cookie, split_list
from harness.prove.wire.facets import NOBODYS, Sample, facets_of, without_coding
from harness.prove.wire.json_paths import ELEMENTS, ROOT, Json, nodes_of, parse_path, write_path
from harness.prove.wire.operators import OPERATORS
from harness.prove.wire.operators.json_body import InnerField, json_of

Args = Mapping[str, Any]
_LATE_MS = 1000
"""At least three times what any criterion of the quick policy grants an answer."""
_GUARDS = ("httponly", "samesite", "secure", "path")

_NODES: Mapping[str, tuple[type, ...]] = {
    "AEA": (list,),
    "AER": (list,),
    "AEE": (list,),
    "EAS": (list,),
    "OPA": (dict,),
    "OTPR": (dict,),
    "PTC": (dict, list, str, int, float, bool, type(None)),
    "NPS": (dict, list, str, int, float, bool),
    "BPR": (bool,),
    "NPR": (int, float),
    "SPR": (str,),
    "SCA": (str,),
    "SRE": (str,),
}
"""Which nodes a JSON operator changes."""


def choices(operator: str, sample: Sample) -> tuple[Args, ...]:
    """Arguments with which the operator may change that exchange; none where it finds nothing to change."""
    if operator in _NODES:
        inner = OPERATORS[operator].args is InnerField
        return tuple(
            {"field": path}
            for path, nodes in _nodes(sample).items()
            if _fits(_NODES[operator], nodes) and not (inner and path == ROOT)
        )
    found = _FINDERS.get(operator)
    return tuple(found(sample)) if found is not None else ()


def drawn_operators() -> tuple[str, ...]:
    """Operators that a draw takes: those that need no more than one exchange to say what they would change."""
    return tuple(sorted({*_NODES, *_FINDERS}))


def _nodes(sample: Sample) -> dict[str, list[Json]]:
    document = json_of(without_coding(sample.answer)) if sample.request.method != "HEAD" else None
    return {} if document is None else nodes_of(document[0])


def _fits(kinds: tuple[type, ...], nodes: list[Json]) -> bool:
    # exactly: to Python true is an int
    return any(type(node) in kinds for node in nodes)


def _properties(sample: Sample) -> Iterator[Args]:
    for path in _nodes(sample):
        steps = parse_path(path)
        if steps and steps[-1] != ELEMENTS:
            yield {"field": write_path(steps[:-1]), "property": steps[-1]}


def _where(facet: str) -> Callable[[Sample], Iterator[Args]]:
    """No arguments, wherever there is such a facet."""

    def find(sample: Sample) -> Iterator[Args]:
        if any(one.startswith(facet) for one in facets_of(sample.request, sample.answer)):
            yield {}

    return find


def _header(name: str) -> Callable[[Sample], Iterator[Args]]:
    return lambda sample: iter(() if sample.answer.header(name) is None else ({},))


def _headers(sample: Sample) -> Iterator[Args]:
    names = {name.lower() for name, _ in sample.answer.headers} - NOBODYS
    return iter([{"header": name} for name in sorted(names)])


def _lines(sample: Sample, header: str) -> list[str]:
    return [value for name, value in sample.answer.headers if name.lower() == header]


def _attributes(sample: Sample) -> Iterator[Args]:
    for line in _lines(sample, "set-cookie"):
        cookie = parse_set_cookie(line)
        for attribute in _GUARDS:
            if attribute in cookie.attributes:
                yield {"attribute": attribute, "cookie": cookie.name}


def _members(sample: Sample) -> Iterator[Args]:
    return iter([{"member": member} for member in split_list(_lines(sample, "vary"))])


def _directives(sample: Sample) -> Iterator[Args]:
    for line in _lines(sample, "content-security-policy"):
        for words in (part.split() for part in line.split(";")):
            if words:
                yield {"directive": words[0].lower()}


def _openings(sample: Sample) -> Iterator[Args]:
    for args in _directives(sample):
        if args["directive"].endswith("-src"):
            yield {**args, "source": "*"}


def _origin(sample: Sample) -> Iterator[Args]:
    if sample.request.header("Origin") is not None:
        yield {}


def _private(sample: Sample) -> Iterator[Args]:
    """Where a login was needed or given: else everybody's answer is the same."""
    if any(sample.request.header(name) is not None for name in ("Authorization", "Cookie")):
        yield from _where("cache")(sample)


def _late(sample: Sample) -> Iterator[Args]:  # noqa: ARG001 - every exchange can be late
    yield {"ms": _LATE_MS}


_FINDERS: Mapping[str, Callable[[Sample], Iterator[Args]]] = {
    **dict.fromkeys(("R2XX", "R4XX", "R5XX"), _where("status ")),
    **dict.fromkeys(("CTC", "CTD", "CPC", "CPD"), _header("Content-Type")),
    **dict.fromkeys(("LHC", "LHD"), _header("Location")),
    **dict.fromkeys(("cut-body", "truncate-body", "empty-body"), _where("body")),
    **dict.fromkeys(("console-error", "blocked-script", "wrong-integrity", "failed-request"), _where("page")),
    **dict.fromkeys(("stale", "ignore-conditional"), _where("cache")),
    "anothers-answer": _private,
    "OPR": _properties,
    "drop-header": _headers,
    "hsts-short": _header("Strict-Transport-Security"),
    "csp-drop": _directives,
    "csp-allow": _openings,
    "cookie-strip": _attributes,
    "vary-drop": _members,
    "cors-reflect": _origin,
    "cors-wildcard": _header("Access-Control-Allow-Origin"),
    "cors-forget": _header("Access-Control-Allow-Origin"),
    "let-through": _where("status 429"),
    "late": _late,
}
