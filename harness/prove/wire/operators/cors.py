"""Other sites let in (Fetch, 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from random import Random

from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, edit_header, fixed, header_facet
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_ALLOW = "Access-Control-Allow-Origin"
_SOURCE = "Fetch, 3.2; PortSwigger, CORS"
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Who is let in: globs over the request's Origin; and whether with cookies."""

    origins: tuple[str, ...] = ("*",)
    credentials: bool = True

    def __post_init__(self) -> None:
        if not self.origins:
            raise ValueError("origins: at least one was expected, such as '*'")


def _reflect(args: Origins, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        origin = request.header("Origin")
        if origin is None or not any(fnmatchcase(origin, glob) for glob in args.origins):
            return None
        let_in = answer.having(_ALLOW, origin)
        if args.credentials:
            let_in = let_in.having("Access-Control-Allow-Credentials", "true")
        let_in = _preflight(request, let_in)
        return None if sorted(let_in.headers) == sorted(answer.headers) else let_in

    return Mutation(answer=change)


def _preflight(request: Request, answer: Answer) -> Answer:
    """A preflight is answered as one that lets in (Fetch, 4.8); any other answer stays as it is."""
    method = request.header("Access-Control-Request-Method")
    if request.method != "OPTIONS" or method is None:
        return answer
    allowed = answer.having("Access-Control-Allow-Methods", method)
    asked = request.header("Access-Control-Request-Headers")
    if asked:
        allowed = allowed.having("Access-Control-Allow-Headers", asked)
    return replace(allowed.without("Content-Type").without("Content-Length"), status=_NO_CONTENT, body=b"")


def _wildcard(_args: NoArgs, _chance: Random) -> Mutation:
    def change(_request: Request, answer: Answer) -> Answer | None:
        return None if answer.header(_ALLOW) == "*" else answer.having(_ALLOW, "*")

    return Mutation(answer=change)


def _forget_friends(_args: NoArgs, _chance: Random) -> Mutation:
    return Mutation(answer=lambda _request, answer: edit_header(answer, _ALLOW, lambda _value: None))


OPERATORS: tuple[Operator[Origins] | Operator[NoArgs], ...] = (
    Operator(
        name="cors-reflect",
        does="Any origin that fits is let in by its name, by preflights too.",
        args=Origins,
        facet=fixed(header_facet(_ALLOW)),
        make=_reflect,
        source=_SOURCE,
    ),
    Operator(
        name="cors-wildcard",
        does="Everybody is let in.",
        args=NoArgs,
        facet=fixed(header_facet(_ALLOW)),
        make=_wildcard,
        source=_SOURCE,
    ),
    Operator(
        name="cors-forget",
        does="Nobody is let in, listed origins neither.",
        args=NoArgs,
        facet=fixed(header_facet(_ALLOW)),
        make=_forget_friends,
        source=_SOURCE,
    ),
)
