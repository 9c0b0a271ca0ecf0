"""Guards weakened, and what a client sent sent back where it does harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from urllib.parse import parse_qsl

from harness.probes.headers import parse_media_type
from harness.prove.wire.json_paths import NotJsonError, parse_json, write_json
from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, edit_header, fixed, header_facet
from harness.prove.wire.operators.page import into_page
from harness.proxy.exchange import ProxiedAnswer as Answer
from harness.proxy.exchange import ProxiedRequest as Request

_CSP = "Content-Security-Policy"
_TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/app/main.py", line 42, in answer\n'
    "psycopg.errors.UndefinedTable: relation does not exist"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxAge:
    """Seconds that HSTS holds."""

    max_age: int = 300

    def __post_init__(self) -> None:
        if self.max_age < 0:
            raise ValueError(f"max_age: seconds from 0 were expected, not {self.max_age}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A directive of the content security policy."""

    directive: str

    def __post_init__(self) -> None:
        _check_directive(self.directive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A directive of the content security policy, and a source that it lets in."""

    directive: str = "script-src"
    source: str = "'unsafe-inline'"

    def __post_init__(self) -> None:
        _check_directive(self.directive)
        if not self.source or re.search(r"[\s;,]", self.source):
            raise ValueError(f"source: one source expression was expected, not {self.source!r}")


def _check_directive(name: str) -> None:
    if not re.fullmatch(r"[a-z-]+", name):
        raise ValueError(f"directive: {name!r} is no directive's name, such as 'script-src'")


def _short_hsts(args: MaxAge, _chance: Random) -> Mutation:
    def edited(value: str) -> str:
        return re.sub(r"(?i)(max-age\s*=\s*\"?)\d+", rf"\g<1>{args.max_age}", value)

    return Mutation(answer=lambda _request, answer: edit_header(answer, "Strict-Transport-Security", edited))


def _allow(args: Allowed, _chance: Random) -> Mutation:
    def edited(words: list[str]) -> list[str]:
        # 'none' stands alone or means nothing (CSP3, 2.3.1)
        sources = [word for word in words[1:] if word.lower() != "'none'"]
        return [words[0], *sources, *([] if args.source in sources else [args.source])]

    return _csp(args.directive, edited)


def _csp(directive: str, edit: Callable[[list[str]], list[str]]) -> Mutation:
    def edited(value: str) -> str | None:
        parts = [part.split() for part in value.split(";")]
        changed = [edit(words) if words and words[0].lower() == directive else words for words in parts]
        return value if changed == parts else "; ".join(" ".join(words) for words in changed if words) or None

    return Mutation(answer=lambda _request, answer: edit_header(answer, _CSP, edited))


def _leak(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        kind = parse_media_type(answer.header("Content-Type"))
        if kind is None or not answer.body or request.method == "HEAD" or answer.header("Content-Encoding"):
            return None
        if kind.is_json:
            return _leak_in_json(answer)
        if kind.is_html:
            return into_page(answer, f"<pre>{_TRACE}</pre>")
        return replace(answer, body=answer.body + b"\n" + _TRACE.encode()) if kind.type == "text" else None

    return Mutation(answer=change)


def _leak_in_json(answer: Answer) -> Answer | None:
    try:
        document = parse_json(answer.body)
    except NotJsonError:
        return None
    if not isinstance(document, dict):
        return None
    return replace(answer, body=write_json({**document, "trace": _TRACE}))


def _reflect_query(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        values = [value for _, value in parse_qsl(request.target.partition("?")[2], errors="replace")]
        return into_page(answer, f"<p>{' '.join(values)}</p>") if values else None

    return Mutation(answer=change)


def _reflect_host(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        host = request.header("Host")
        return into_page(answer, f'<link rel="canonical" href="//{host}{request.path}">') if host else None

    return Mutation(answer=change)


def _split(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: Request, answer: Answer) -> Answer | None:
        for _, value in parse_qsl(request.target.partition("?")[2], errors="replace"):
            match = re.search(r"\r\n([A-Za-z][A-Za-z0-9-]*): ?([\x20-\x7e]*)", value)
            if match is not None:
                return replace(answer, headers=(*answer.headers, (match[1], match[2].strip())))
        return None

    return Mutation(answer=change)


OPERATORS: tuple[Operator[MaxAge] | Operator[Directive] | Operator[Allowed] | Operator[NoArgs], ...] = (
    Operator(
        name="hsts-short",
        does="Strict-Transport-Security holds for a short time.",
        args=MaxAge,
        facet=fixed(header_facet("Strict-Transport-Security")),
        make=_short_hsts,
        source="RFC 6797, 6.1.1",
    ),
    Operator(
        name="csp-allow",
        does="A directive of the content security policy lets in one source more.",
        args=Allowed,
        facet=fixed(header_facet(_CSP)),
        make=_allow,
        source="CSP3, 2.3.1",
    ),
    Operator(
        name="csp-drop",
        does="The content security policy lacks a directive.",
        args=Directive,
        facet=fixed(header_facet(_CSP)),
        make=lambda args, _chance: _csp(args.directive, lambda _words: []),
        source="CSP3, 2.2",
    ),
    Operator(
        name="leak-trace",
        does="The body holds a stack trace.",
        args=NoArgs,
        facet=fixed("body"),
        make=_leak,
        reads_body=True,
        source="CWE-209",
    ),
    Operator(
        name="reflect-query",
        does="The page repeats what the query holds, as it is.",
        args=NoArgs,
        facet=fixed("page"),
        make=_reflect_query,
        reads_body=True,
        source="CWE-79",
    ),
    Operator(
        name="reflect-host",
        does="The page repeats the request's Host.",
        args=NoArgs,
        facet=fixed("page"),
        make=_reflect_host,
        reads_body=True,
        source="CWE-644",
    ),
    Operator(
        name="split-response",
        does="A line break in the query begins a header of the answer.",
        args=NoArgs,
        facet=fixed("header *"),
        make=_split,
        source="CWE-113",
    ),
)
