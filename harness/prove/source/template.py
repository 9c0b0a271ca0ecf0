"""Small mistakes in templates of Jinja: a condition turned, a filter, a value, an escape or an attribute too few.

By Jinja's own lexer, so that a diff is one small change. What stands between the tags is taken for HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from jinja2 import Environment, TemplateSyntaxError
from jinja2.nodes import Template

from harness.prove.source.edit import SourceChange, SourceEdit

_ATTRIBUTE = re.compile(r"""\s[a-zA-Z-]+(?:=(?:"[^"{}]*"|'[^'{}]*'))?(?=[\s/>])""")
_TAG = re.compile(r"<[a-zA-Z][^<>]*>?")
_OPEN, _CLOSED = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    begin: int

    @property
    def end(self) -> int:
        """Where the next begins, but for blanks that Jinja drops."""
        return self.begin + len(self.text)


def template_changes(name: str, text: str) -> Iterator[SourceChange]:
    """What can be changed in a template; nothing of a file that is none."""
    tokens = _tokens(text)
    for operator, begin, end, instead in (*_conditions(tokens, text), *_values(tokens), *_parts(tokens)):
        yield SourceChange(operator=operator, make=partial(_edit, name, text, operator, (begin, end), instead))


def template_form(text: str) -> Template | None:
    """What a template says to Jinja; None for one that cannot be read."""
    try:
        return _jinja().parse(text)
    except TemplateSyntaxError:
        return None


@cache
def _jinja() -> Environment:
    return Environment(autoescape=True)  # templates are only read here, nothing is rendered


_Span = tuple[str, int, int, str]


def _edit(name: str, text: str, operator: str, place: tuple[int, int], instead: str) -> SourceEdit | None:
    begin, end = place
    after = text[:begin] + instead + text[end:]
    if after == text or template_form(after) is None:
        return None
    return SourceEdit(
        file=name,
        operator=operator,
        first=text.count("\n", 0, begin) + 1,
        last=text.count("\n", 0, max(begin, end - 1)) + 1,
        # text between the tags runs with whatever stands before it: who shows the template sees all of it
        runs_at=(1, text.count("\n") + 1),
        before=text,
        after=after,
    )


def _tokens(text: str) -> Sequence[_Token]:
    found, at = [], 0
    try:
        for _, kind, value in _jinja().lex(text):
            at = text.find(value, at)
            if at < 0:
                return ()
            found.append(_Token(kind, value, at))
            at += len(value)
    except TemplateSyntaxError:
        return ()
    return found


def _inside(tokens: Sequence[_Token], kind: str) -> Iterator[Sequence[_Token]]:
    """The tokens between the marks of each tag of a kind, without blanks."""
    first: int | None = None
    for number, token in enumerate(tokens):
        if token.kind == f"{kind}_begin":
            first = number + 1
        elif token.kind == f"{kind}_end" and first is not None:
            yield [one for one in tokens[first:number] if one.kind != "whitespace"]
            first = None


def _conditions(tokens: Sequence[_Token], text: str) -> Iterator[_Span]:
    for tag in _inside(tokens, "block"):
        word, rest = tag[0].text, tag[1:]
        if word in ("if", "elif") and rest:
            begin, end = rest[0].begin, rest[-1].end
            yield "template-condition", begin, end, f"not ({text[begin:end]})"
        elif word == "for" and "in" in (words := [one.text for one in rest]):
            begin = words.index("in") + 1
            end = next((n for n, said in enumerate(words) if n > begin and said in ("if", "recursive")), len(words))
            first, last = rest[begin].begin, rest[end - 1].end
            yield "template-loop", first, last, f"({text[first:last]})[1:]"


def _values(tokens: Sequence[_Token]) -> Iterator[_Span]:
    for tag in _inside(tokens, "variable"):
        begin, end = tag[0].begin, tag[-1].end
        yield "template-value", begin, end, "''"
        yield "template-escape", end, end, "|safe"
        for number, token in enumerate(tag):
            if token.text == "|":
                yield "template-filter", token.begin, _end_of_filter(tag, number), ""
            elif token.kind == "integer":
                yield "template-constant", token.begin, token.end, str(int(token.text) + 1)


def _end_of_filter(tag: Sequence[_Token], number: int) -> int:
    """Where a filter ends that begins there, with what it is given."""
    depth, end = 0, tag[number + 1].end if number + 1 < len(tag) else tag[number].end
    for token in tag[number + 2 :]:
        depth += (token.text in _OPEN) - (token.text in _CLOSED)
        if depth < 0 or (depth == 0 and token.text not in _CLOSED):
            break
        end = token.end
    return end


def _parts(tokens: Sequence[_Token]) -> Iterator[_Span]:
    for token in tokens:
        if token.kind == "data":
            for tag in _TAG.finditer(token.text):
                for attribute in _ATTRIBUTE.finditer(tag[0]):
                    at = token.begin + tag.start() + attribute.start()
                    yield "template-attribute", at, at + len(attribute[0]), ""
