"""Pages with something wrong in them that a browser notices."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from harness.probes.headers import parse_media_type
from harness.prove.wire.operators.operator import ArgumentError, Mutation, NoArgs, Operator, edit_header, fixed
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_FACET = fixed("page")
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/=_-]+)'")
_LOADED = re.compile(rb"<(?:script\b[^>]*\bsrc\s*=|link\b[^>]*\brel\s*=\s*[\"']?stylesheet)", re.IGNORECASE)
_ADDRESS = re.compile(rb"(?i)(\b(?:href|src|action)\s*=\s*[\"']?)/(?!/)")
_ROOTED = re.compile(r"^/(?!/)")
_INTEGRITY = b' integrity="sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="'


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkupArgs:
    """What is put into the page, before the end of its body."""

    markup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceTextArgs:
    """A regular expression, and what is put in place of all that it finds."""

    find: str
    put: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.find).sub(self.put, "")
        except (re.error, IndexError) as error:
            raise ArgumentError("find", f"{self.find!r} is no regular expression that `put` fits ({error})") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPathArgs:
    """A path that the service does not have."""

    path: str = "/no-such-image.png"


def is_page(answer: ProxiedAnswer) -> bool:
    """Is it an HTML document whose bytes can be read as they are?"""
    kind = parse_media_type(answer.header("Content-Type"))
    return kind is not None and kind.is_html and bool(answer.body) and not answer.header("Content-Encoding")


def into_page(answer: ProxiedAnswer, markup: str) -> ProxiedAnswer | None:
    """The page with that markup before the end of its body; None if it is no page."""
    if not is_page(answer):
        return None
    found = list(re.finditer(rb"</body\s*>", answer.body, re.IGNORECASE))
    at = found[-1].start() if found else len(answer.body)
    added = markup.encode("utf-8", "replace")
    return replace(answer, body=answer.body[:at] + added + answer.body[at:])


def _inserted(markup: str) -> Mutation:
    return Mutation(answer=lambda _request, answer: into_page(answer, markup))


def _replaced(args: ReplaceTextArgs, _chance: Random) -> Mutation:
    pattern = re.compile(args.find, re.DOTALL)

    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        if not answer.body or answer.header("Content-Encoding"):
            return None
        text = answer.body.decode("utf-8", "surrogateescape")
        body = pattern.sub(args.put, text).encode("utf-8", "surrogateescape")
        return None if body == answer.body else replace(answer, body=body)

    return Mutation(answer=change)


def _console_error(_args: NoArgs, _chance: Random) -> Mutation:
    """In a script, since most policies let no inline one run; in a page, with the policy's nonce if it has one."""

    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        kind = parse_media_type(answer.header("Content-Type"))
        if kind is not None and kind.subtype in ("javascript", "x-javascript"):
            if not answer.body or answer.header("Content-Encoding"):
                return None
            # after the script's own first line: a directive such as "use strict" stays one
            return replace(answer, body=answer.body + b'\n;console.error("planted");\n')
        nonce = _NONCE.search(answer.header("Content-Security-Policy") or "")
        mark = f' nonce="{nonce[1]}"' if nonce else ""
        return into_page(answer, f'<script{mark}>console.error("planted")</script>')

    return Mutation(answer=change)


def _blocked_script(_args: NoArgs, _chance: Random) -> Mutation:
    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        policy = answer.header("Content-Security-Policy") or ""
        # without a policy, or where inline scripts are let in, nothing would be blocked
        if not re.search(r"(?i)\b(?:script|default)-src\b", policy) or "'unsafe-inline'" in policy.lower():
            return None
        return into_page(answer, "<script>void 0</script>")

    return Mutation(answer=change)


def _wrong_integrity(_args: NoArgs, _chance: Random) -> Mutation:
    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        match = _LOADED.search(answer.body) if is_page(answer) else None
        if match is None:
            return None
        tag = re.match(rb"<\w+", match[0])
        at = match.start() + (tag.end() if tag else 0)
        return replace(answer, body=answer.body[:at] + _INTEGRITY + answer.body[at:])

    return Mutation(answer=change)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseArgs:
    """The base path that stands before addresses, and below which there is nothing."""

    base: str = "/app"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+", self.base):
            raise ArgumentError("base", f"a path such as '/app' was expected, not {self.base!r}")


def _misled(args: BaseArgs, _chance: Random) -> Mutation:
    put = rb"\g<1>" + args.base.encode("ascii") + b"/"

    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        led = edit_header(answer, "Location", lambda value: _ROOTED.sub(f"{args.base}/", value)) or answer
        body = _ADDRESS.sub(put, answer.body) if is_page(answer) else answer.body
        return None if led is answer and body == answer.body else replace(led, body=body)

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Any], ...] = (
    Operator(
        name="console-error",
        does="A script writes an error to the console.",
        args=NoArgs,
        facet=_FACET,
        make=_console_error,
        reads_body=True,
    ),
    Operator(
        name="blocked-script",
        does="The page holds a script that its policy blocks.",
        args=NoArgs,
        facet=_FACET,
        make=_blocked_script,
        reads_body=True,
        source="CSP3, 4.2.3",
    ),
    Operator(
        name="wrong-integrity",
        does="A script or style of the page does not fit its digest, so that browsers refuse it.",
        args=NoArgs,
        facet=_FACET,
        make=_wrong_integrity,
        reads_body=True,
        source="W3C Subresource Integrity, 3.4",
    ),
    Operator(
        name="wrong-base",
        does="Addresses of pages and redirects lead below a base path that is not there.",
        args=BaseArgs,
        facet=_FACET,
        make=_misled,
        reads_body=True,
    ),
    Operator(
        name="failed-request",
        does="The page shows an image that is not there.",
        args=MissingPathArgs,
        facet=_FACET,
        make=lambda args, _chance: _inserted(f'<img src="{args.path}" alt="">'),
        reads_body=True,
    ),
    Operator(
        name="insert-markup",
        does="The page holds a piece of markup more.",
        args=MarkupArgs,
        facet=_FACET,
        make=lambda args, _chance: _inserted(args.markup),
        reads_body=True,
    ),
    Operator(
        name="replace-text",
        does="What a regular expression finds in the body is replaced.",
        args=ReplaceTextArgs,
        facet=_FACET,
        make=_replaced,
        reads_body=True,
    ),
)
