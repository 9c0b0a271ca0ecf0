"""Objects of JSON bodies, changed: OPA, OPR, OTPR (HTTPMutator)."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from harness.prove.wire.json_paths import ROOT, Json, parse_path, write_path
from harness.prove.wire.operators.json_body import (
    SOURCE,
    Field,
    drawn_nodes,
    field_facet,
    json_mutation,
    json_operator,
    steps_to,
)
from harness.prove.wire.operators.operator import Mutation, Operator

_MOST = 4
"""Properties that are added or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The place of the object, and which property it loses; one to four drawn ones if none is named."""

    field: str = ROOT
    property: str = ""

    def __post_init__(self) -> None:
        steps_to(self.field)


def _add(node: Json, chance: Random) -> Json:
    if not isinstance(node, dict):
        return node
    added: dict[str, Json] = {}
    for number in range(1, chance.randint(1, _MOST) + 1):
        kind, value = chance.choice(drawn_nodes(chance))
        added[f"random{kind}{number}"] = value
    return {**added, **node}


def _remove(args: Removed, chance: Random) -> Mutation:
    def rule(node: Json, chance: Random) -> Json:
        if not isinstance(node, dict) or not node:
            return node
        count = min(chance.randint(1, _MOST), len(node))
        gone = {args.property} if args.property else set(chance.sample(sorted(node), count))
        return {name: value for name, value in node.items() if name not in gone}

    return json_mutation(args.field, rule, chance)


def _remove_object(node: Json, _chance: Random) -> Json:
    """The last property that holds an object, as in HTTPMutator's code."""
    if not isinstance(node, dict):
        return node
    last = next((name for name in reversed(node) if isinstance(node[name], dict)), None)
    return node if last is None else {name: value for name, value in node.items() if name != last}


def _facet(args: Removed) -> str:
    steps = parse_path(args.field)
    return field_facet(write_path((*steps, args.property) if args.property else steps))


OPERATORS: tuple[Operator[Field] | Operator[Removed], ...] = (
    json_operator("OPA", "An object has one to four properties more.", _add),
    Operator(
        name="OPR",
        does="An object lacks one to four properties, or the named one.",
        args=Removed,
        facet=_facet,
        make=_remove,
        reads_body=True,
        source=SOURCE,
    ),
    json_operator("OTPR", "An object lacks a property that holds an object.", _remove_object),
)
