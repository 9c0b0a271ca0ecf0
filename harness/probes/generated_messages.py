"""What the harness and the process that makes requests of a document tell each other, over one pipe.

That process makes data of what a stranger wrote. It may be made to match a pattern for ever, or to take all memory, so
it is one that can be ended; and it has no way out but this pipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import msgspec

from harness.machine.decoding import Reader

FAULTS = (
    *("server_error", "unanswered", "status", "media_type", "body", "header", "refused_valid", "accepted_invalid"),
    *("accepted_without_header", "method", "allow", "login", "freed", "lost"),
)
"""Kinds of what may be wrong."""
LONGEST = 64 * 2**20
"""Bytes of one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is sent at most, and what kind of it."""

    seed: int
    requests: int
    seconds: float
    writes: bool
    """Whether operations are called that change something."""
    invalid: bool = True
    """Whether data is sent that the document does not allow."""
    per_client: int = 100
    """Requests after which another client goes on: none comes near a limiter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to make requests of: `operations` are pairs of a method and a path as the document writes it."""

    document: Mapping[str, Any]
    url: str
    operations: tuple[tuple[str, str], ...]
    credentials: Mapping[str, str]
    bounds: Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRequest:
    """A request that is to be sent; `case` names it in what is found."""

    case: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, or in `failed` that nothing did; `says` is the reason phrase or why."""

    failed: Literal["", "late", "cut", "unfit", "stopped"] = ""
    says: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Failures of one cause: the words of the shortest, and the cases that show it."""

    kind: str
    operation: str
    says: str
    cases: tuple[str, ...]
    places: tuple[str, ...]
    seen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found; operations are named as the document writes their paths."""

    tried: Mapping[str, int]
    called: tuple[str, ...]
    labels: Mapping[str, str]
    """Case -> operation, of requests that may have created something."""
    causes: tuple[Cause, ...]
    limits: tuple[str, ...]
    out_of_time: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ToMaker:
    """A message to the process that makes requests."""

    task: Task | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FromMaker:
    """A message of that process; one without anything says that it works."""

    at: str = ""
    """The operation that it turns to."""
    ask: WantedRequest | None = None
    report: Report | None = None


_TO, _FROM = Reader(ToMaker), Reader(FromMaker)


def tell(pipe: Connection, message: ToMaker | FromMaker) -> None:
    """Send a message. Raises `OSError` if nobody is at the other end."""
    pipe.send_bytes(msgspec.json.encode(message))


def hear_maker(pipe: Connection) -> FromMaker:
    """The next message of the process that makes requests. Raises `EOFError` if it has ended."""
    return _FROM.json(pipe.recv_bytes(LONGEST))


def hear_harness(pipe: Connection) -> ToMaker:
    """The next message of the harness. Raises `EOFError` if it has ended."""
    return _TO.json(pipe.recv_bytes(LONGEST))
