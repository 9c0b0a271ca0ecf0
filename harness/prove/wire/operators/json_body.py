"""One place of a JSON body changed, by a rule for a single node (HTTPMutator, "JSON Mutation Operators").

HTTPMutator changes one node of a recorded body. Here the place is named (`items[].price`), and every element of an
array is changed alike, as a mistake in the code that writes elements does. What is drawn is drawn by the seed anew
for each node: the same node always becomes the same.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from harness.probes.headers import parse_media_type
from harness.prove.wire.json_paths import ROOT, Json, NotJsonError, change_at, parse_json, parse_path, write_json
from harness.prove.wire.operators.operator import ArgumentError, Mutation, Operator
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

SOURCE = "HTTPMutator, mutation operators: JSON Mutation Operators"
LOWEST, HIGHEST = -1_000_000, 1_000_000
SHORTEST, LONGEST = 1, 10
_ALPHANUMERIC = string.ascii_letters + string.digits
_PRINTABLE = "".join(map(chr, range(32, 127)))

Rule = Callable[[Json, Random], Json]
"""What becomes of a node; the node itself where the rule does not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldArgs:
    """The place of the node: `items[].price`, or `$` for the whole document."""

    field: str

    def __post_init__(self) -> None:
        steps_to(self.field)


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerFieldArgs(FieldArgs):
    """The place of a node within the document: the operator does not apply to the document itself."""

    def __post_init__(self) -> None:
        if not steps_to(self.field):
            raise ArgumentError("field", f"this operator does not apply to the whole document ({ROOT!r})")


def steps_to(field: str) -> tuple[str, ...]:
    """The steps of the key `field`. Raises ArgumentError."""
    try:
        return parse_path(field)
    except ValueError as error:
        raise ArgumentError("field", str(error)) from None


def field_facet(path: str) -> str:
    """The facet of a place in the body."""
    return f"body field {path}"


def json_operator(name: str, does: str, rule: Rule, args: type[FieldArgs] = FieldArgs) -> Operator[FieldArgs]:
    """An operator for any node that the rule fits; with `InnerFieldArgs`, for any but the document itself."""
    return Operator(
        name=name,
        does=does,
        args=args,
        facet=lambda args: field_facet(args.field),
        make=lambda args, chance: json_mutation(args.field, rule, chance),
        reads_body=True,
        source=SOURCE,
    )


def json_mutation(path: str, rule: Rule, chance: Random) -> Mutation:
    """Apply a rule at a place of every JSON body."""
    steps, seed = parse_path(path), chance.getrandbits(64)

    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        document = json_of(answer)
        if document is None:
            return None
        before = write_json(document[0])
        after = write_json(change_at(document[0], steps, lambda node: rule(node, Random(seed))))  # noqa: S311
        return None if before == after else replace(answer, body=after)

    return Mutation(answer=change)


def json_of(answer: ProxiedAnswer) -> tuple[Json] | None:
    """The document of a JSON answer, alone in a tuple since it may be null; None if there is none to be read."""
    kind = parse_media_type(answer.header("Content-Type"))
    if kind is None or not kind.is_json or not answer.body or answer.header("Content-Encoding"):
        return None
    try:
        return (parse_json(answer.body),)
    except NotJsonError:
        return None


def drawn_text(chance: Random, letters: str = _PRINTABLE, length: int = 0) -> str:
    """A text of that length, or of 1 to 10 characters."""
    return "".join(chance.choice(letters) for _ in range(length or chance.randint(SHORTEST, LONGEST)))


def drawn_alphanumeric(chance: Random, length: int = 0) -> str:
    """A text of letters and digits."""
    return drawn_text(chance, _ALPHANUMERIC, length)


def drawn_nodes(chance: Random) -> tuple[tuple[str, Json], ...]:
    """Nodes of all seven kinds with their kinds' names: what AEA and OPA add."""
    return (
        ("Long", chance.randint(LOWEST, HIGHEST)),
        ("Float", chance.uniform(LOWEST, HIGHEST)),
        ("Boolean", chance.random() < 0.5),
        ("String", drawn_alphanumeric(chance)),
        ("Null", None),
        ("Object", {}),
        ("Array", []),
    )
