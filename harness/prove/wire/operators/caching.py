"""What caches and browsers are told, told wrong (RFC 9111)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from harness.probes.headers import split_list
from harness.prove.wire.operators.headers import Named
from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, edit_header, fixed, header_facet
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_CONDITIONS = ("if-none-match", "if-modified-since")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of Vary, such as Origin."""

    member: str


def _vary(args: Member, _chance: Random) -> Mutation:
    def edited(value: str) -> str | None:
        members = split_list([value])
        kept = [one for one in members if one.lower() != args.member.lower()]
        return value if len(kept) == len(members) else ", ".join(kept) or None

    return Mutation(answer=lambda _request, answer: edit_header(answer, "Vary", edited))


def _freeze(args: Named, _chance: Random) -> Mutation:
    first: dict[tuple[str, str], str] = {}

    def change(request: Request, answer: Answer) -> Answer | None:
        value = answer.header(args.header)
        if value is None:
            return None
        frozen = first.setdefault((request.method, request.target), value)
        return None if frozen == value else edit_header(answer, args.header, lambda _value: frozen)

    return Mutation(answer=change)


def _unconditional(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: Request) -> Request | None:
        headers = tuple(pair for pair in request.headers if pair[0].lower() not in _CONDITIONS)
        return None if headers == request.headers else replace(request, headers=headers)

    return Mutation(request=change)


def _always_unchanged(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        tag = request.header("If-None-Match")
        if tag is None or answer.status != 200:
            return None
        kept = answer.without("Content-Type").having("ETag", tag)
        return replace(kept, status=304, body=b"")

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Member] | Operator[Named] | Operator[NoArgs], ...] = (
    Operator(
        name="vary-drop",
        does="Vary lacks a member.",
        args=Member,
        facet=fixed(header_facet("Vary")),
        make=_vary,
        source="RFC 9111, 4.1",
    ),
    Operator(
        name="freeze-header",
        does="A header keeps the value that it first had at that URL.",
        args=Named,
        facet=lambda args: header_facet(args.header),
        make=_freeze,
    ),
    Operator(
        name="ignore-conditional",
        does="Who has the representation already gets it again.",
        args=NoArgs,
        facet=fixed("cache"),
        make=_unconditional,
        asks=True,
        source="RFC 9110, 13.1.2",
    ),
    Operator(
        name="always-unchanged",
        does="Whoever asks whether something changed is told that it did not.",
        args=NoArgs,
        facet=fixed("cache"),
        make=_always_unchanged,
        source="RFC 9110, 15.4.5",
    ),
)
