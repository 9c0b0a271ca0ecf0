"""Bodies that end too early."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, fixed
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_FACET = fixed("body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the body comes."""

    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ValueError(f"share: a number from 0 to below 1 was expected, not {self.share:g}")


def _cut(args: Share, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        if not answer.body or request.method == "HEAD" or answer.cut_after is not None:
            return None
        return replace(answer, cut_after=int(len(answer.body) * args.share))

    return Mutation(answer=change)


def _truncate(share: float) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        if not answer.body or request.method == "HEAD":
            return None
        return replace(answer, body=answer.body[: int(len(answer.body) * share)])

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Share] | Operator[NoArgs], ...] = (
    Operator(
        name="cut-body",
        does="The connection is cut within the body.",
        args=Share,
        facet=_FACET,
        make=_cut,
        source="RFC 9112, 8",
    ),
    Operator(
        name="truncate-body",
        does="The body lacks its end, and its length fits that.",
        args=Share,
        facet=_FACET,
        make=lambda args, _chance: _truncate(args.share),
        reads_body=True,
    ),
    Operator(
        name="empty-body",
        does="There is no body.",
        args=NoArgs,
        facet=_FACET,
        make=lambda _args, _chance: _truncate(0.0),
    ),
)
