"""How answers arrive: bodies that end too early, and answers that come late."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

from harness.prove.wire.operators.operator import ArgumentError, Mutation, NoArgs, Operator, fixed
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_BODY = fixed("body")
_LATENCY = fixed("latency")
_STATUS = fixed("status *")
_MOST_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareArgs:
    """How much of the body comes."""

    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ArgumentError("share", f"a number from 0 to below 1 was expected, not {self.share:g}")


def _cut(args: ShareArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        if not answer.body or request.method == "HEAD" or answer.cut_after is not None:
            return None
        return replace(answer, cut_after=int(len(answer.body) * args.share))

    return Mutation(answer=change)


def _truncate(share: float) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        if not answer.body or request.method == "HEAD":
            return None
        return replace(answer, body=answer.body[: int(len(answer.body) * share)])

    return Mutation(answer=change)


def _never_end(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        return None if not answer.body or request.method == "HEAD" else replace(answer, ends=False)

    return Mutation(answer=change)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimArgs:
    """The status of the interim answer."""

    status: int = 103

    def __post_init__(self) -> None:
        if not 101 <= self.status <= 199:
            raise ArgumentError("status", f"a status from 101 to 199 was expected, not {self.status}")


def _interim(args: InterimArgs, _chance: Random) -> Mutation:
    return Mutation(answer=lambda _request, answer: replace(answer, interim=args.status))


@dataclass(frozen=True, slots=True, kw_only=True)
class SurplusArgs:
    """What comes unasked, and behind which answers."""

    text: str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    method: str = "*"


def _surplus(args: SurplusArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        return replace(answer, behind=args.text.encode()) if args.method in ("*", request.method) else None

    return Mutation(answer=change)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayArgs:
    """Milliseconds, and how many answers there are for a late one."""

    ms: float
    every: int = 1

    def __post_init__(self) -> None:
        _check_ms("ms", self.ms)
        if self.every < 1:
            raise ArgumentError("every", f"a number from 1 was expected, not {self.every}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StallArgs:
    """How long a stall lasts, and how often one begins."""

    pause_ms: float = 500.0
    every_ms: float = 5000.0

    def __post_init__(self) -> None:
        _check_ms("pause_ms", self.pause_ms)
        _check_ms("every_ms", self.every_ms)
        if self.pause_ms >= self.every_ms:
            raise ArgumentError("pause_ms", "must be shorter than every_ms, or nothing is ever answered")


def _check_ms(name: str, value: float) -> None:
    if not 0 < value <= _MOST_MS:
        raise ArgumentError(name, f"milliseconds from above 0 to {_MOST_MS:.0f} were expected, not {value:g}")


def _late(args: DelayArgs, chance: Random) -> Mutation:
    numbers = count(chance.randrange(args.every))

    def delay(_now: float) -> float:
        return args.ms / 1000 if next(numbers) % args.every == args.every - 1 else 0.0

    return Mutation(delay_s=delay)


def _stall(args: StallArgs, _chance: Random) -> Mutation:
    def delay(now: float) -> float:
        return max(0.0, args.pause_ms - (now * 1000) % args.every_ms) / 1000

    return Mutation(delay_s=delay)


OPERATORS: tuple[Operator[Any], ...] = (
    Operator(
        name="cut-body",
        does="The connection is cut within the body.",
        args=ShareArgs,
        facet=_BODY,
        make=_cut,
        source="RFC 9112, 8",
    ),
    Operator(
        name="truncate-body",
        does="The body lacks its end, and its length fits that.",
        args=ShareArgs,
        facet=_BODY,
        make=lambda args, _chance: _truncate(args.share),
        reads_body=True,
    ),
    Operator(
        name="empty-body",
        does="There is no body.",
        args=NoArgs,
        facet=_BODY,
        make=lambda _args, _chance: _truncate(0.0),
    ),
    Operator(
        name="never-end",
        does="The body comes without a length, and no end comes behind it.",
        args=NoArgs,
        facet=_BODY,
        make=_never_end,
        source="RFC 9112, 6.3",
    ),
    Operator(
        name="interim",
        does="An interim answer comes before the answer.",
        args=InterimArgs,
        facet=_STATUS,
        make=_interim,
        source="RFC 9110, 15.2",
    ),
    Operator(
        name="old-protocol",
        does="The answer is one of HTTP/1.0, and the connection ends behind it.",
        args=NoArgs,
        facet=_STATUS,
        make=lambda _args, _chance: Mutation(answer=lambda _request, answer: replace(answer, version="1.0")),
        source="RFC 9110, 2.5",
    ),
    Operator(
        name="surplus",
        does="Bytes that nobody asked for come behind an answer's end, a second answer by default.",
        args=SurplusArgs,
        facet=_BODY,
        make=_surplus,
        source="RFC 9112, 9.2",
    ),
    Operator(
        name="late", does="Every answer, or one of so many, comes late.", args=DelayArgs, facet=_LATENCY, make=_late
    ),
    Operator(
        name="stall",
        does="For a while in each period nothing is answered.",
        args=StallArgs,
        facet=_LATENCY,
        make=_stall,
        source="Tene, How NOT to Measure Latency",
    ),
)
