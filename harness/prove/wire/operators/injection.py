"""What a client sent, or should never see, in the answer where it does harm."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from harness.probes.headers import parse_media_type
from harness.prove.wire.json_paths import NotJsonError, parse_json, write_json
from harness.prove.wire.operators.operator import Mutation, NoArgs, Operator, fixed
from harness.prove.wire.operators.page import into_page
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/app/main.py", line 42, in answer\n'
    "psycopg.errors.UndefinedTable: relation does not exist"
)


def _leak(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        kind = parse_media_type(answer.header("Content-Type"))
        if kind is None or not answer.body or request.method == "HEAD" or answer.header("Content-Encoding"):
            return None
        if kind.is_json:
            return _leak_in_json(answer)
        if kind.is_html:
            return into_page(answer, f"<pre>{_TRACE}</pre>")
        return replace(answer, body=answer.body + b"\n" + _TRACE.encode()) if kind.type == "text" else None

    return Mutation(answer=change)


def _leak_in_json(answer: ProxiedAnswer) -> ProxiedAnswer | None:
    try:
        document = parse_json(answer.body)
    except NotJsonError:
        return None
    if not isinstance(document, dict):
        return None
    return replace(answer, body=write_json({**document, "trace": _TRACE}))


def _reflect_query(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        values = [value for _, value in parse_qsl(request.target.partition("?")[2], errors="replace")]
        return into_page(answer, f"<p>{' '.join(values)}</p>") if values else None

    return Mutation(answer=change)


def _reflect_host(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        host = request.header("Host")
        return into_page(answer, f'<link rel="canonical" href="//{host}{request.path}">') if host else None

    return Mutation(answer=change)


def _split(_args: NoArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        for _, value in parse_qsl(request.target.partition("?")[2], errors="replace"):
            match = re.search(r"\r\n([A-Za-z][A-Za-z0-9-]*): ?([\x20-\x7e]*)", value)
            if match is not None:
                return replace(answer, headers=(*answer.headers, (match[1], match[2].strip())))
        return None

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Any], ...] = (
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
