"""Arrays, objects and single values of JSON bodies, changed (HTTPMutator)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from harness.config.toml_reader import nearest
from harness.prove.wire.json_paths import ROOT, Json, parse_path, write_path
from harness.prove.wire.operators.json_body import (
    HIGHEST,
    LONGEST,
    LOWEST,
    SHORTEST,
    SOURCE,
    InnerFieldArgs,
    drawn_alphanumeric,
    drawn_nodes,
    drawn_text,
    field_facet,
    json_mutation,
    json_operator,
    steps_to,
)
from harness.prove.wire.operators.operator import ArgumentError, Mutation, Operator
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_MOST = 4
"""Elements or properties that are added or removed; AER leaves arrays alone that have no more than these."""
_SPECIAL = ("/", "*", ",", "´", "´*", "/*", "/,", "*,", "´/", "´,")  # noqa: RUF001 - the acute accent is meant
_LOWER, _UPPER = "ejemplo minus", "EJEMPLO MAYUS"
"""As in HTTPMutator's http-mutation.properties."""
_ODD_VALUES: Mapping[str, bytes] = {"surrogate": rb'"\ud83d"', "nan": b"NaN", "digits": b"7" * 5_000}


def _add_elements(node: Json, chance: Random) -> Json:
    if not isinstance(node, list):
        return node
    return [*node, *(chance.choice(drawn_nodes(chance))[1] for _ in range(chance.randint(1, _MOST)))]


def _remove_elements(node: Json, chance: Random) -> Json:
    if not isinstance(node, list) or len(node) <= _MOST:
        return node
    gone = set(chance.sample(range(len(node)), chance.randint(1, _MOST)))
    return [element for index, element in enumerate(node) if index not in gone]


def _move_element(node: Json, chance: Random) -> Json:
    if not isinstance(node, list) or len(node) < 2:
        return node
    source, to = chance.sample(range(len(node)), 2)
    rest = [*node[:source], *node[source + 1 :]]
    return [*rest[:to], node[source], *rest[to:]]


def _empty_array(node: Json, _chance: Random) -> Json:
    return [] if isinstance(node, list) else node


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyArgs:
    """The place of the object, and which property it loses; one to four drawn ones if none is named."""

    field: str = ROOT
    property: str = ""

    def __post_init__(self) -> None:
        steps_to(self.field)


def _add_properties(node: Json, chance: Random) -> Json:
    if not isinstance(node, dict):
        return node
    added: dict[str, Json] = {}
    for number in range(1, chance.randint(1, _MOST) + 1):
        kind, value = chance.choice(drawn_nodes(chance))
        added[f"random{kind}{number}"] = value
    return {**added, **node}


def _remove_properties(args: PropertyArgs, chance: Random) -> Mutation:
    def rule(node: Json, chance: Random) -> Json:
        if not isinstance(node, dict) or not node:
            return node
        count = min(chance.randint(1, _MOST), len(node))
        gone = {args.property} if args.property else set(chance.sample(sorted(node), count))
        return {name: value for name, value in node.items() if name not in gone}

    return json_mutation(args.field, rule, chance)


def _remove_inner_object(node: Json, _chance: Random) -> Json:
    """The last property that holds an object, as in HTTPMutator's code."""
    if not isinstance(node, dict):
        return node
    last = next((name for name in reversed(node) if isinstance(node[name], dict)), None)
    return node if last is None else {name: value for name, value in node.items() if name != last}


def _property_facet(args: PropertyArgs) -> str:
    steps = parse_path(args.field)
    return field_facet(write_path((*steps, args.property) if args.property else steps))


def _other_type(node: Json, chance: Random) -> Json:
    choices: list[tuple[type, Json]] = [
        (int, chance.randint(LOWEST, HIGHEST)),
        (float, chance.uniform(LOWEST, HIGHEST)),
        (bool, chance.random() < 0.5),
        (str, drawn_text(chance)),
        (dict, {}),
        (list, []),
    ]
    return chance.choice([value for kind, value in choices if kind is not type(node)])


def _reverse(node: Json, _chance: Random) -> Json:
    return not node if isinstance(node, bool) else node


def _null(_node: Json, _chance: Random) -> Json:
    return None


def _other_number(node: Json, chance: Random) -> Json:
    if isinstance(node, bool) or not isinstance(node, int | float):
        return node
    if isinstance(node, float):
        return chance.uniform(LOWEST, HIGHEST)
    number = chance.randint(LOWEST, HIGHEST - 1)
    return number if number != node else HIGHEST


def _other_text(node: Json, chance: Random) -> Json:
    if not isinstance(node, str):
        return node
    text = drawn_text(chance)
    return text if text != node else f"{text[1:]}x"


def _special(node: Json, chance: Random) -> Json:
    if not isinstance(node, str):
        return node
    at = chance.randint(0, len(node))
    return f"{node[:at]}{chance.choice(_SPECIAL)}{node[at:]}"


def _boundary(node: Json, chance: Random) -> Json:
    if not isinstance(node, str):
        return node
    choices = (
        "" if node else " ",
        drawn_alphanumeric(chance, SHORTEST),
        drawn_alphanumeric(chance, LONGEST),
        _LOWER,
        _UPPER,
    )
    return chance.choice([text for text in choices if text != node])


@dataclass(frozen=True, slots=True, kw_only=True)
class OddValueArgs(InnerFieldArgs):
    """The place of the value, and what is written there: `surrogate`, `nan` or `digits`."""

    value: str

    def __post_init__(self) -> None:
        InnerFieldArgs.__post_init__(self)
        if self.value not in _ODD_VALUES:
            raise ArgumentError("value", f"unknown {self.value!r}; {nearest(self.value, _ODD_VALUES)}")


def _write_odd_value(args: OddValueArgs, chance: Random) -> Mutation:
    # no writer of JSON writes these: another text stands there until the body is written
    stand_in = drawn_alphanumeric(chance, len(_ODD_VALUES) * LONGEST)
    put = json_mutation(args.field, lambda _node, _chance: stand_in, chance)

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        changed = put.answer(request, answer)
        if changed is None:
            return None
        return replace(changed, body=changed.body.replace(f'"{stand_in}"'.encode(), _ODD_VALUES[args.value]))

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Any], ...] = (
    json_operator("AEA", "An array has one to four elements more.", _add_elements),
    json_operator("AER", "An array of more than four elements lacks one to four.", _remove_elements),
    json_operator("AEE", "An element of an array stands at another place.", _move_element),
    json_operator("EAS", "An array is empty.", _empty_array),
    json_operator("OPA", "An object has one to four properties more.", _add_properties),
    Operator(
        name="OPR",
        does="An object lacks one to four properties, or the named one.",
        args=PropertyArgs,
        facet=_property_facet,
        make=_remove_properties,
        reads_body=True,
        source=SOURCE,
    ),
    json_operator("OTPR", "An object lacks a property that holds an object.", _remove_inner_object),
    json_operator("PTC", "A value has another type.", _other_type, InnerFieldArgs),
    json_operator("NPS", "A value is null.", _null, InnerFieldArgs),
    json_operator("BPR", "A boolean is the opposite.", _reverse),
    json_operator("NPR", "A number is another one, from -1,000,000 to 1,000,000.", _other_number),
    json_operator("SPR", "A text is another one, of 1 to 10 characters.", _other_text),
    json_operator("SCA", "A text holds special characters more.", _special),
    json_operator(
        "SRE", "A text is empty, very short, ten characters long, in small letters or in capitals.", _boundary
    ),
    Operator(
        name="odd-value",
        does="A value is half of a character, NaN, or a number of 5,000 digits.",
        args=OddValueArgs,
        facet=lambda args: field_facet(args.field),
        make=_write_odd_value,
        reads_body=True,
        source="RFC 8259, 6 and 8.2",
    ),
)
