"""Arrays of JSON bodies, changed: AEA, AER, AEE, EAS (HTTPMutator)."""

from __future__ import annotations

from random import Random

from harness.prove.wire.json_paths import Json
from harness.prove.wire.operators.json_body import drawn_nodes, json_operator

_MOST = 4
"""Elements that are added or removed; AER leaves arrays alone that have no more than these."""


def _add(node: Json, chance: Random) -> Json:
    if not isinstance(node, list):
        return node
    return [*node, *(chance.choice(drawn_nodes(chance))[1] for _ in range(chance.randint(1, _MOST)))]


def _remove(node: Json, chance: Random) -> Json:
    if not isinstance(node, list) or len(node) <= _MOST:
        return node
    gone = set(chance.sample(range(len(node)), chance.randint(1, _MOST)))
    return [element for index, element in enumerate(node) if index not in gone]


def _exchange(node: Json, chance: Random) -> Json:
    if not isinstance(node, list) or len(node) < 2:
        return node
    source, to = chance.sample(range(len(node)), 2)
    rest = [*node[:source], *node[source + 1 :]]
    return [*rest[:to], node[source], *rest[to:]]


def _empty(node: Json, _chance: Random) -> Json:
    return [] if isinstance(node, list) else node


OPERATORS = (
    json_operator("AEA", "An array has one to four elements more.", _add),
    json_operator("AER", "An array of more than four elements lacks one to four.", _remove),
    json_operator("AEE", "An element of an array stands at another place.", _exchange),
    json_operator("EAS", "An array is empty.", _empty),
)
