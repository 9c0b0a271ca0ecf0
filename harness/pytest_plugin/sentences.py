"""What a failed `assert` says to its reader: its author's sentence, apart from pytest's account of the expression.

pytest glues both into one text. They are kept apart here where they are made, so that nobody has to cut the text
(docs/suites.md#what-a-failure-says).
"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from types import FrameType
from urllib.parse import urlsplit

import pytest
from _pytest.assertion import rewrite

from harness.errors import HarnessError
from harness.probes.exchange import Exchange, SentRequest
from harness.probes.http import ServiceUnavailable

_PLACE = "{place}"
_EXPRESSION = 300
_ASSERT = "assert "
"""With this word pytest's account of an expression begins."""
_FORMAT_GIVEN, _EXPLAIN = "_format_assertmsg", "_format_explanation"
"""pytest's functions that a rewritten `assert` calls as it fails; no public hook sees the parts of its text."""
_NESTED = 2
"""How deep an exchange may lie in what an `assert` names: a probe's answer holds one, a list holds several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What an `assert` may say in place of a text, where the text alone does not tell all:
    `assert kept == [], Complaint(sentence="…", exchange=answer, cause="color-contrast")`.
    """

    sentence: str
    exchange: Exchange | None = None
    """The request that shows it, where it is not the last one that the `assert` names."""
    cause: str = ""
    """What failures at several places have in common, where it is not their sentence."""

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A failure in words for a reader, and what belongs to it."""

    sentence: str
    """Empty where nobody wrote one: the test crashed."""
    pytest_words: str = ""
    """pytest's account of the expression."""
    exchange: Exchange | None = None
    """The request that shows it; None where nothing tells."""
    cause: str = ""
    """As its author named it."""


class _Explained(str):
    """What a rewritten `assert` raises with: the whole text, which knows its parts."""

    __slots__ = ("account", "given")
    given: object
    account: str


_GIVEN: ContextVar[tuple[object, str]] = ContextVar("given", default=(None, ""))
"""What the `assert` that is failing was given, and the text that pytest made of it."""


def keep_sentences_apart() -> Callable[[], None]:
    """Let rewritten asserts keep what they were given beside pytest's account of it; returns what undoes that."""
    originals = {name: getattr(rewrite, name) for name in (_FORMAT_GIVEN, _EXPLAIN)}
    format_given, explain = originals[_FORMAT_GIVEN], originals[_EXPLAIN]

    def keep_given(given: object) -> str:
        text: str = format_given(str(given) if isinstance(given, Complaint) else given)
        _GIVEN.set((given, text))
        return text

    def keep_account(text: str) -> str:
        given, before = _GIVEN.get()
        _GIVEN.set((None, ""))
        explained = _Explained(explain(text))
        explained.given = given
        explained.account = explain(text.removeprefix(before).removeprefix("\n>"))
        return explained

    def put(functions: Mapping[str, Callable[..., str]]) -> None:
        for name, function in functions.items():
            setattr(rewrite, name, function)

    put({_FORMAT_GIVEN: keep_given, _EXPLAIN: keep_account})
    return lambda: put(originals)


def said_by(error: BaseException | None, sent: Sequence[Exchange]) -> Said:
    """What an error that ended a test says; `sent` are the requests of the test, in their order."""
    if isinstance(error, ServiceUnavailable):
        return Said(sentence=f"{repr(error.attempt).strip('<>')} was not answered: {error.what}")
    if isinstance(error, HarnessError):
        # it is written for whoever runs the harness, not for whoever builds it
        return Said(sentence=str(error))
    if isinstance(error, pytest.FixtureLookupError):
        return Said(sentence=f"the test wants a fixture {error.argname!r}, and there is none of that name")
    if isinstance(error, pytest.fail.Exception):
        return Said(sentence=str(error), exchange=_named_exchange(error, sent))
    return _said_by_assert(error, sent) if isinstance(error, AssertionError) else Said(sentence="", exchange=None)


def _said_by_assert(error: AssertionError, sent: Sequence[Exchange]) -> Said:
    first = error.args[0] if error.args else None
    account = first.account if isinstance(first, _Explained) else ""
    given = first.given if isinstance(first, _Explained) else first
    complaint = given if isinstance(given, Complaint) else Complaint(sentence=_in_words(given))
    return Said(
        sentence=complaint.sentence.strip() or _unsaid(error, account),
        pytest_words=account,
        exchange=complaint.exchange or _named_exchange(error, sent),
        cause=complaint.cause,
    )


def cause_of(sentence: str, subject: str, shown: Sequence[SentRequest], parameters: Iterable[str] = ()) -> str:
    """The sentence without the words that only say where: what it has in common with those of other places.

    Such words are the subject, what stands in it before a comma, the parameters of the test, and the request that shows
    it, which is the last one.
    """
    asked = [text for each in shown[-1:] for text in (each.path, urlsplit(each.url).path, each.url)]
    places = [
        subject,
        subject.rpartition(", ")[0],
        *parameters,
        *asked,
        *(f"{shown[-1].method} {path}" for path in asked),
    ]
    words = sorted({place for place in places if place}, key=len, reverse=True)
    if not words:
        return sentence
    # a place is a word of its own: "/" is none in "text/html"
    pattern = "|".join(map(re.escape, words))
    return re.sub(rf"(?<![\w/.?=&-])(?:{pattern})(?![\w/?=&-]|\.\w)", _PLACE, sentence)


def _in_words(given: object) -> str:
    match given:
        case None:
            return ""
        case str():
            return given
        case list() | tuple() | set() | frozenset():
            return "; ".join(map(str, given))
        case _:
            return str(given)


def _unsaid(error: BaseException, account: str) -> str:
    """What to say for an author who wrote no sentence: the expectation as it stands in the test, and what was there."""
    statement = next((found for _, found in _statements(error)), None)
    if statement is None:
        return f"an assertion does not hold: {account}" if account else "an assertion does not hold"
    expected = _shortened(ast.unparse(statement.test))
    values = _shortened(account.partition("\n")[0].removeprefix(_ASSERT))
    return f"the test expects `{expected}`" + (f", and sees `{values}`" if values not in ("", expected) else "")


def _shortened(text: str) -> str:
    return text if len(text) <= _EXPRESSION else f"{text[:_EXPRESSION]} …"


def _named_exchange(error: BaseException, sent: Sequence[Exchange]) -> Exchange | None:
    """Of the test's requests the one whose answer the failed `assert` names: in its expression, in its sentence, else
    by any variable beside it; of several the last that was sent.
    """
    for frame, statement in _statements(error):
        held = frame.f_locals
        for names in (_names(statement.test), _names(statement.msg), list(held)):
            known = {id(each) for name in names if name in held for each in _exchanges_in(held[name])}
            found = [exchange for exchange in sent if id(exchange) in known]
            if found:
                return found[-1]
    return None


def _names(expression: ast.expr | None) -> list[str]:
    return [node.id for node in ast.walk(expression) if isinstance(node, ast.Name)] if expression is not None else []


def _exchanges_in(value: object, depth: int = _NESTED) -> Iterator[Exchange]:
    if isinstance(value, Exchange):
        yield value
    elif depth and isinstance(value, list | tuple):
        for each in value:
            yield from _exchanges_in(each, depth - 1)
    elif depth and is_dataclass(value):
        for each in fields(value):
            yield from _exchanges_in(getattr(value, each.name, None), depth - 1)


def _statements(error: BaseException) -> Iterator[tuple[FrameType, ast.Assert]]:
    """The failed `assert`, in the frame that raised, then that which called it, as far as their sources can be read."""
    frames: list[tuple[FrameType, int]] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    for frame, line in reversed(frames):
        statement = _assert_at(frame.f_code.co_filename, line)
        if statement is not None:
            yield frame, statement


def _assert_at(file: str, line: int) -> ast.Assert | None:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None
    spans = (node for node in ast.walk(tree) if isinstance(node, ast.Assert))
    return next((node for node in spans if node.lineno <= line <= (node.end_lineno or node.lineno)), None)
