"""A random draw of wire mutants, operator by operation by facet, from what a healthy run exchanged.

Which arguments an operator may take in an exchange says what it could change there.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from harness.probes.cookies import parse_set_cookie
from harness.probes.headers import split_list
from harness.prove.model import Defect, Expectation, Where
from harness.prove.wire.equivalence import equivalent
from harness.prove.wire.facets import NOBODYS, SampledExchange, facets_of, without_coding
from harness.prove.wire.json_paths import ELEMENTS, ROOT, Json, nodes_of, parse_path, write_path
from harness.prove.wire.mutant import mutation_for
from harness.prove.wire.operations import content_type
from harness.prove.wire.operators import METHODS, OPERATORS, facet_of
from harness.prove.wire.operators.json_body import InnerFieldArgs, json_of

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
_MANY_EXCHANGES = frozenset({"anothers-answer", "freeze-header", "ignore-conditional", "let-through", "stale"})
"""Operators that change an exchange because of others: one alone does not show what they do."""

_Pool = dict[str, dict[str, list[tuple[SampledExchange, Args]]]]
"""Operator -> operation -> what may be drawn."""


def draw(seed: int, n: int, samples: Iterable[SampledExchange]) -> tuple[Defect, ...]:
    """`n` different mutants, fewer only where there are no more; the same for the same seed and samples.

    The operator is drawn first, then one of the operations that it can change, then the facet: else operators that
    fit everywhere, and operations with many fields, would be nearly all there is. Equivalent mutants are marked.
    """
    chance = Random(seed)  # noqa: S311 - to be repeated, no secret
    # a test may ask with a method of its own making, which no defect can name
    pool = _pool(one for one in samples if one.operation.partition(" ")[0] in METHODS)
    drawn: dict[str, Defect] = {}
    while len(drawn) < n and pool:
        operator = chance.choice(sorted(pool))
        operation = chance.choice(sorted(pool[operator]))
        left = pool[operator][operation]
        sample, args = left.pop(chance.randrange(len(left)))
        if not left:
            del pool[operator][operation]
        if not pool[operator]:
            del pool[operator]
        defect = _defect(seed, operator, sample, args, drawn)
        if operator in _MANY_EXCHANGES or _applies(defect, sample, seed):
            reason = equivalent(defect, (sample.request, sample.answer), seed)
            drawn[defect.id] = replace(defect, equivalent=reason)
    return tuple(drawn.values())


def _pool(samples: Iterable[SampledExchange]) -> _Pool:
    ordered = sorted(samples, key=lambda one: (one.operation, one.answer.status, content_type(one.answer)))
    pool: _Pool = {}
    for operator in drawn_operators():
        for sample in ordered:
            found = choices(operator, sample)
            if found:
                pool.setdefault(operator, {}).setdefault(sample.operation, []).extend((sample, args) for args in found)
    return pool


def _defect(seed: int, operator: str, sample: SampledExchange, args: Args, drawn: Mapping[str, Defect]) -> Defect:
    asks = OPERATORS[operator].asks
    where = Where(
        operation=glob.escape(sample.operation),
        status="*" if asks else str(sample.answer.status),
        content_type="*" if asks else glob.escape(content_type(sample.answer)) or "*",
    )
    defect = Defect(
        id="",
        kind="wire",
        area="draw",
        title=OPERATORS[operator].does,
        why=f"Drawn by seed {seed}.",
        folder=Path(f"draw-{seed}"),
        expect=Expectation(),
        operator=operator,
        where=where,
        args=args,
    )
    facet = facet_of(defect)
    name = f"draw-{seed}-{operator}-{_slug(sample.operation)}-{_slug(facet.removeprefix('header '))}"
    name, number = name if name not in drawn else f"{name}-{sample.answer.status}", 2
    unique = name
    while unique in drawn:
        unique, number = f"{name}-{number}", number + 1
    return replace(defect, id=unique, title=f"{sample.operation}, {facet}: {defect.title}")


def _applies(defect: Defect, sample: SampledExchange, seed: int) -> bool:
    mutation = mutation_for(defect, seed)
    return mutation.delay_s(0.0) > 0 or mutation.answer(sample.request, sample.answer) is not None


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def choices(operator: str, sample: SampledExchange) -> tuple[Args, ...]:
    """Arguments with which the operator may change that exchange; none where it finds nothing to change."""
    if operator in _NODES:
        inner = OPERATORS[operator].args is InnerFieldArgs
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


def _nodes(sample: SampledExchange) -> dict[str, list[Json]]:
    document = json_of(without_coding(sample.answer)) if sample.request.method != "HEAD" else None
    return {} if document is None else nodes_of(document[0])


def _fits(kinds: tuple[type, ...], nodes: list[Json]) -> bool:
    # exactly: to Python true is an int
    return any(type(node) in kinds for node in nodes)


def _properties(sample: SampledExchange) -> Iterator[Args]:
    for path in _nodes(sample):
        steps = parse_path(path)
        if steps and steps[-1] != ELEMENTS:
            yield {"field": write_path(steps[:-1]), "property": steps[-1]}


def _where(facet: str) -> Callable[[SampledExchange], Iterator[Args]]:
    """No arguments, wherever there is such a facet."""

    def find(sample: SampledExchange) -> Iterator[Args]:
        if any(one.startswith(facet) for one in facets_of(sample.request, sample.answer)):
            yield {}

    return find


def _header(name: str) -> Callable[[SampledExchange], Iterator[Args]]:
    return lambda sample: iter(() if sample.answer.header(name) is None else ({},))


def _headers(sample: SampledExchange) -> Iterator[Args]:
    names = {name.lower() for name, _ in sample.answer.headers} - NOBODYS
    return iter([{"header": name} for name in sorted(names)])


def _lines(sample: SampledExchange, header: str) -> list[str]:
    return [value for name, value in sample.answer.headers if name.lower() == header]


def _attributes(sample: SampledExchange) -> Iterator[Args]:
    for line in _lines(sample, "set-cookie"):
        cookie = parse_set_cookie(line)
        for attribute in _GUARDS:
            if attribute in cookie.attributes:
                yield {"attribute": attribute, "cookie": cookie.name}


def _members(sample: SampledExchange) -> Iterator[Args]:
    return iter([{"member": member} for member in split_list(_lines(sample, "vary"))])


def _directives(sample: SampledExchange) -> Iterator[Args]:
    for line in _lines(sample, "content-security-policy"):
        for words in (part.split() for part in line.split(";")):
            if words:
                yield {"directive": words[0].lower()}


def _openings(sample: SampledExchange) -> Iterator[Args]:
    for args in _directives(sample):
        if args["directive"].endswith("-src"):
            yield {**args, "source": "*"}


def _origin(sample: SampledExchange) -> Iterator[Args]:
    if sample.request.header("Origin") is not None:
        yield {}


def _private(sample: SampledExchange) -> Iterator[Args]:
    """Where a login was needed or given: else everybody's answer is the same."""
    if any(sample.request.header(name) is not None for name in ("Authorization", "Cookie")):
        yield from _where("cache")(sample)


def _late(sample: SampledExchange) -> Iterator[Args]:  # noqa: ARG001 - every exchange can be late
    yield {"ms": _LATE_MS}


_FINDERS: Mapping[str, Callable[[SampledExchange], Iterator[Args]]] = {
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
