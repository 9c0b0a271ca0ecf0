"""Small mistakes in the SQL of a string: a term, an order, a lock or a bound of a statement, by SQLGlot's tokens.

Tokens and not its syntax tree: a statement that was written again as a whole would be no small diff, and what stands in
a string is often a part of a statement, with placeholders in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from sqlglot import Token, TokenType
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import TokenError

_STATEMENT = re.compile(
    r"\b(SELECT\b.+\bFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|ORDER\s+BY|WHERE)\b", re.DOTALL
)
_LITERAL = re.compile(r"""^(?P<prefix>[A-Za-z]*)(?P<quote>\"{3}|'{3}|\"|')(?P<text>.*)(?P=quote)$""", re.DOTALL)
_BRACES = re.compile(r"\{[^{}]*\}")
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%s")
_SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "ASC": "DESC", "DESC": "ASC"}
_TERMS = frozenset({"WHERE", "AND", "ON", "HAVING"})
_TERM_ENDS = frozenset({"AND", "OR", "GROUP BY", "ORDER BY", "LIMIT", "OFFSET", "RETURNING", "FOR", "HAVING", "UNION"})
_ORDER_ENDS = frozenset({"LIMIT", "OFFSET", "FOR", "RETURNING", "UNION", "ROWS", "RANGE"})
_JOINS = frozenset({"JOIN", "LEFT", "INNER", "CROSS", "RIGHT"})
_FUNCTIONS = {"min": "max", "max": "min", "least": "greatest", "greatest": "least"}


def sql_changes(literal: str) -> Iterator[tuple[str, str]]:
    """The operator and the changed literal, for each mistake that can be made in the SQL of a string literal.

    `literal` is as it stands in the source, with prefix and quotes. Nothing for a text that is no SQL.
    """
    match = _LITERAL.match(literal)
    if match is None or not _STATEMENT.search(match["text"]):
        return
    text = match["text"]
    for operator, begin, end, instead in _spans(text):
        changed = text[:begin] + instead + text[end:]
        yield operator, f"{match['prefix']}{match['quote']}{changed}{match['quote']}"


_Span = tuple[str, int, int, str]


def _spans(text: str) -> Iterator[_Span]:
    tokens = _tokens(text)
    depths = _depths(tokens)
    for place, token in enumerate(tokens):
        word = token.text.upper()
        if word in _SWAPS:
            yield "sql-order" if word in ("ASC", "DESC") else "sql-boundary", token.start, token.end + 1, _SWAPS[word]
        elif word in _TERMS:
            yield from _term(text, tokens, depths, place)
        elif word == "ORDER BY":
            yield "sql-order", token.start, _until(text, tokens, depths, place, _ORDER_ENDS), ""
        elif word == "LIMIT":
            yield "sql-limit", token.start, _until(text, tokens, depths, place, {"OFFSET", "FOR"}), ""
        elif word == "FOR" and _next(tokens, place) in ("UPDATE", "SHARE", "NO"):
            yield "sql-lock", token.start, _until(text, tokens, depths, place, {"LIMIT"}), ""
        elif word == "DISTINCT" and _next(tokens, place) != "FROM":
            yield "sql-distinct", token.start, token.end + 1, ""
        elif word == "LEFT" and _next(tokens, place) == "JOIN":
            yield "sql-join", token.start, token.end + 1, "INNER"
        elif word.lower() in _FUNCTIONS and _next(tokens, place) == "(":
            yield "sql-function", token.start, token.end + 1, _FUNCTIONS[word.lower()]


def _term(text: str, tokens: Sequence[Token], depths: Sequence[int], place: int) -> Iterator[_Span]:
    """Leave a condition out, and turn its comparison round."""
    token = tokens[place]
    end = _until(text, tokens, depths, place, _TERM_ENDS | _JOINS)
    if token.text.upper() == "AND":
        if not _is_between(tokens, place):
            yield "sql-condition", token.start, end, ""
    else:
        yield "sql-condition", token.start, end, f"{text[token.start : token.end + 1]} true "
    for other in tokens[place + 1 :]:
        if other.start >= end:
            break
        if other.token_type is TokenType.EQ:
            yield "sql-comparison", other.start, other.end + 1, "<>"
            break


def _is_between(tokens: Sequence[Token], place: int) -> bool:
    """Is this the AND of `BETWEEN a AND b`?"""
    for token in reversed(tokens[:place]):
        if token.text.upper() == "BETWEEN":
            return True
        if token.text.upper() in _TERMS:
            return False
    return False


def _until(
    text: str, tokens: Sequence[Token], depths: Sequence[int], place: int, ends: frozenset[str] | set[str]
) -> int:
    """Where the clause ends that begins there: at one of these words of the same depth, or where its bracket closes."""
    for number in range(place + 1, len(tokens)):
        if depths[number] < depths[place]:
            return tokens[number].start
        word = tokens[number].text.upper()
        if depths[number] == depths[place] and word in ends and not (word == "AND" and _is_between(tokens, number)):
            return tokens[number].start
    return len(text.rstrip())


def _next(tokens: Sequence[Token], place: int) -> str:
    return tokens[place + 1].text.upper() if place + 1 < len(tokens) else ""


def _depths(tokens: Sequence[Token]) -> list[int]:
    """How many brackets are open at each token; a closing one is outside already."""
    found, depth = [], 0
    for token in tokens:
        depth -= token.token_type is TokenType.R_PAREN
        found.append(depth)
        depth += token.token_type is TokenType.L_PAREN
    return found


@cache
def _postgres() -> Postgres:
    return Postgres()


def _tokens(text: str) -> Sequence[Token]:
    """The text's tokens; what is filled in later counts as a name, at its own length."""
    plain = _PLACEHOLDER.sub(lambda match: "p" * len(match[0]), _BRACES.sub(lambda match: "b" * len(match[0]), text))
    try:
        return _postgres().tokenize(plain)
    except TokenError:
        return ()
