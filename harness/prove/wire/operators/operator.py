"""What a wire operator is: a small mistake made with an exchange, and what it is called (HTTPMutator)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Generic, TypeVar

from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

A = TypeVar("A")


class ArgumentError(ValueError):
    """An operator's argument makes no sense: which, and what was expected."""

    def __init__(self, argument: str, what: str) -> None:
        super().__init__(f"{argument}: {what}")
        self.argument = argument
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class NoArgs:
    """An operator that takes no arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One mistake, ready to be made again and again. Each part says None or 0 where it finds nothing to change.

    May keep what it saw (a replay does): one mutation serves one proxy.
    """

    answer: Callable[[ProxiedRequest, ProxiedAnswer], ProxiedAnswer | None] = lambda _request, _answer: None
    """What the client gets instead."""
    request: Callable[[ProxiedRequest], ProxiedRequest | None] = lambda _request: None
    """What the service is asked instead."""
    delay_s: Callable[[float], float] = lambda _now: 0.0
    """How long the answer waits; given the seconds of a monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator(Generic[A]):
    """A kind of mistake on the wire; with arguments it becomes a mutation."""

    name: str
    does: str
    """In words, for a table."""
    args: type[A]
    """A frozen dataclass: the keys of `args` in `defect.toml`. Raises ArgumentError for values that make no sense."""
    facet: Callable[[A], str]
    """What it changes, as `facets_of` names it; `status *` for whatever status there is."""
    make: Callable[[A, Random], Mutation]
    reads_body: bool = False
    """Needs bodies without a content coding: the service is asked with `Accept-Encoding: identity`."""
    asks: bool = False
    """Changes requests: what it is applied to cannot depend on an answer."""
    source: str = ""
    """Where it is described."""


def edit_header(answer: ProxiedAnswer, name: str, edit: Callable[[str], str | None]) -> ProxiedAnswer | None:
    """The answer with every line of that header edited, None takes a line out; None if that changes nothing."""
    pairs = []
    for key, value in answer.headers:
        edited = edit(value) if key.lower() == name.lower() else value
        if edited is not None:
            pairs.append((key, edited))
    headers = tuple(pairs)
    return None if headers == answer.headers else replace(answer, headers=headers)


def fixed(facet: str) -> Callable[[object], str]:
    """A facet that does not depend on arguments."""
    return lambda _args: facet


def header_facet(name: str) -> str:
    """The facet of a header."""
    return f"header {name.lower()}"
