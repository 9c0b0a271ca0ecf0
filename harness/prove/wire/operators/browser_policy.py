"""What browsers are told to enforce, weakened: cookies, CORS, HSTS and the content security policy."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from harness.config.toml_reader import nearest
from harness.prove.wire.operators.operator import (
    ArgumentError,
    Mutation,
    NoArgs,
    Operator,
    edit_header,
    fixed,
    header_facet,
)
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_COOKIE = "Set-Cookie"
_ATTRIBUTES = ("Domain", "Expires", "HttpOnly", "Max-Age", "Path", "SameSite", "Secure")
_ALLOW = "Access-Control-Allow-Origin"
_FETCH = "Fetch, 3.2; PortSwigger, CORS"
_NO_CONTENT = 204
_CSP = "Content-Security-Policy"
_NONCE = re.compile(r"(?<='nonce-)[A-Za-z0-9+/=_-]+(?=')")
_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieAttributeArgs:
    """Which attribute, of which cookies (a glob over their names)."""

    attribute: str
    cookie: str = "*"

    def __post_init__(self) -> None:
        if self.attribute.lower() not in (one.lower() for one in _ATTRIBUTES):
            raise ArgumentError("attribute", f"unknown {self.attribute!r}; {nearest(self.attribute, _ATTRIBUTES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieValueArgs:
    """Which attribute gets which value."""

    attribute: str
    value: str
    cookie: str = "*"

    def __post_init__(self) -> None:
        if self.attribute.lower() not in (one.lower() for one in _ATTRIBUTES):
            raise ArgumentError("attribute", f"unknown {self.attribute!r}; {nearest(self.attribute, _ATTRIBUTES)}")
        if any(sign in self.value for sign in ";\r\n"):
            raise ArgumentError("value", "an attribute's value holds no semicolon or line break")


def _edit_cookies(answer: ProxiedAnswer, attribute: str, cookie: str, put: tuple[str, ...]) -> ProxiedAnswer | None:
    """The answer with that attribute of the cookies taken out and `put` in its place; None if none has it."""

    def edit(line: str) -> str:
        pair, *rest = line.split(";")
        if not fnmatchcase(pair.partition("=")[0].strip(), cookie):
            return line
        kept = [part for part in rest if part.partition("=")[0].strip().lower() != attribute.lower()]
        return line if kept == rest else ";".join([pair, *kept, *put])

    return edit_header(answer, _COOKIE, edit)


def _strip_attribute(args: CookieAttributeArgs, _chance: Random) -> Mutation:
    return Mutation(answer=lambda _request, answer: _edit_cookies(answer, args.attribute, args.cookie, ()))


def _replace_attribute(args: CookieValueArgs, _chance: Random) -> Mutation:
    put = (f" {args.attribute}={args.value}",)
    return Mutation(answer=lambda _request, answer: _edit_cookies(answer, args.attribute, args.cookie, put))


def _add_attribute(args: CookieValueArgs, _chance: Random) -> Mutation:
    def edit(line: str) -> str:
        pair, *rest = line.split(";")
        names = {part.partition("=")[0].strip().lower() for part in rest}
        fits = fnmatchcase(pair.partition("=")[0].strip(), args.cookie) and args.attribute.lower() not in names
        return f"{line}; {args.attribute}={args.value}" if fits else line

    return Mutation(answer=lambda _request, answer: edit_header(answer, _COOKIE, edit))


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginArgs:
    """Who is let in: globs over the request's Origin; and whether with cookies."""

    origins: tuple[str, ...] = ("*",)
    credentials: bool = True

    def __post_init__(self) -> None:
        if not self.origins:
            raise ArgumentError("origins", "at least one was expected, such as '*'")


def _reflect(args: OriginArgs, _chance: Random) -> Mutation:
    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        origin = request.header("Origin")
        if origin is None or not any(fnmatchcase(origin, glob) for glob in args.origins):
            return None
        let_in = answer.having(_ALLOW, origin)
        if args.credentials:
            let_in = let_in.having("Access-Control-Allow-Credentials", "true")
        let_in = _preflight(request, let_in)
        return None if sorted(let_in.headers) == sorted(answer.headers) else let_in

    return Mutation(answer=change)


def _preflight(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer:
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
    def change(_request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        return None if answer.header(_ALLOW) == "*" else answer.having(_ALLOW, "*")

    return Mutation(answer=change)


def _forget_friends(_args: NoArgs, _chance: Random) -> Mutation:
    return Mutation(answer=lambda _request, answer: edit_header(answer, _ALLOW, lambda _value: None))


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxAgeArgs:
    """Seconds that HSTS holds."""

    max_age: int = 300

    def __post_init__(self) -> None:
        if self.max_age < 0:
            raise ArgumentError("max_age", f"seconds from 0 were expected, not {self.max_age}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveArgs:
    """A directive of the content security policy."""

    directive: str

    def __post_init__(self) -> None:
        _check_directive(self.directive)


@dataclass(frozen=True, slots=True, kw_only=True)
class CspSourceArgs:
    """A directive of the content security policy, and a source that it lets in."""

    directive: str = "script-src"
    source: str = "'unsafe-inline'"

    def __post_init__(self) -> None:
        _check_directive(self.directive)
        if not self.source or re.search(r"[\s;,]", self.source):
            raise ArgumentError("source", f"one source expression was expected, not {self.source!r}")


def _check_directive(name: str) -> None:
    if not re.fullmatch(r"[a-z-]+", name):
        raise ArgumentError("directive", f"{name!r} is no directive's name, such as 'script-src'")


def _short_hsts(args: MaxAgeArgs, _chance: Random) -> Mutation:
    def edited(value: str) -> str:
        return re.sub(r"(?i)(max-age\s*=\s*\"?)\d+", rf"\g<1>{args.max_age}", value)

    return Mutation(answer=lambda _request, answer: edit_header(answer, "Strict-Transport-Security", edited))


def _allow_source(args: CspSourceArgs, _chance: Random) -> Mutation:
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


def _add_directive(args: CspSourceArgs, _chance: Random) -> Mutation:
    def edited(value: str) -> str:
        names = {words[0].lower() for part in value.split(";") if (words := part.split())}
        return value if args.directive in names else f"{value.rstrip('; ')}; {args.directive} {args.source}"

    return Mutation(answer=lambda _request, answer: edit_header(answer, _CSP, edited))


def _lose_semicolon(args: DirectiveArgs, _chance: Random) -> Mutation:
    def edited(value: str) -> str:
        return re.sub(rf"(?i)((?:^|;)\s*{args.directive}\b[^;]*?)\s*;\s*(?=\S)", r"\1 ", value, count=1)

    return Mutation(answer=lambda _request, answer: edit_header(answer, _CSP, edited))


def _repeat_nonce(_args: NoArgs, chance: Random) -> Mutation:
    nonce = base64.b64encode(chance.randbytes(_NONCE_BYTES)).decode("ascii")
    add = _allow_source(CspSourceArgs(source=f"'nonce-{nonce}'"), chance)

    def change(request: ProxiedRequest, answer: ProxiedAnswer) -> ProxiedAnswer | None:
        found = _NONCE.findall(answer.header(_CSP) or "")
        if not found:
            return add.answer(request, answer)
        # where the policy alone were changed the page's own scripts would be blocked, which is another mistake
        body = answer.body
        for one in found:
            body = body.replace(one.encode("ascii"), nonce.encode("ascii"))
        changed = edit_header(answer, _CSP, lambda value: _NONCE.sub(nonce, value))
        return None if changed is None else replace(changed, body=body)

    return Mutation(answer=change)


OPERATORS: tuple[Operator[Any], ...] = (
    Operator(
        name="cookie-strip",
        does="Cookies lack an attribute.",
        args=CookieAttributeArgs,
        facet=fixed(header_facet(_COOKIE)),
        make=_strip_attribute,
        source="RFC 6265bis, 5.6",
    ),
    Operator(
        name="cookie-replace",
        does="An attribute of cookies has another value.",
        args=CookieValueArgs,
        facet=fixed(header_facet(_COOKIE)),
        make=_replace_attribute,
        source="RFC 6265bis, 5.6",
    ),
    Operator(
        name="cookie-add",
        does="Cookies have an attribute that they had not.",
        args=CookieValueArgs,
        facet=fixed(header_facet(_COOKIE)),
        make=_add_attribute,
        source="RFC 6265bis, 5.6",
    ),
    Operator(
        name="cors-reflect",
        does="Any origin that fits is let in by its name, by preflights too.",
        args=OriginArgs,
        facet=fixed(header_facet(_ALLOW)),
        make=_reflect,
        source=_FETCH,
    ),
    Operator(
        name="cors-wildcard",
        does="Everybody is let in.",
        args=NoArgs,
        facet=fixed(header_facet(_ALLOW)),
        make=_wildcard,
        source=_FETCH,
    ),
    Operator(
        name="cors-forget",
        does="Nobody is let in, listed origins neither.",
        args=NoArgs,
        facet=fixed(header_facet(_ALLOW)),
        make=_forget_friends,
        source=_FETCH,
    ),
    Operator(
        name="hsts-short",
        does="Strict-Transport-Security holds for a short time.",
        args=MaxAgeArgs,
        facet=fixed(header_facet("Strict-Transport-Security")),
        make=_short_hsts,
        source="RFC 6797, 6.1.1",
    ),
    Operator(
        name="csp-allow",
        does="A directive of the content security policy lets in one source more.",
        args=CspSourceArgs,
        facet=fixed(header_facet(_CSP)),
        make=_allow_source,
        source="CSP3, 2.3.1",
    ),
    Operator(
        name="csp-drop",
        does="The content security policy lacks a directive.",
        args=DirectiveArgs,
        facet=fixed(header_facet(_CSP)),
        make=lambda args, _chance: _csp(args.directive, lambda _words: []),
        source="CSP3, 2.2",
    ),
    Operator(
        name="csp-add",
        does="The content security policy has a directive more, which counts before the one that it stood in for.",
        args=CspSourceArgs,
        facet=fixed(header_facet(_CSP)),
        make=_add_directive,
        source="CSP3, 6.8.3",
    ),
    Operator(
        name="csp-join",
        does="The semicolon behind a directive is missing, so that the next one is a part of it.",
        args=DirectiveArgs,
        facet=fixed(header_facet(_CSP)),
        make=_lose_semicolon,
        source="CSP3, 2.2.1",
    ),
    Operator(
        name="same-nonce",
        does="Every answer has one nonce: the policy's own made the same, or one more where there was none.",
        args=NoArgs,
        facet=fixed(header_facet(_CSP)),
        make=_repeat_nonce,
        reads_body=True,
        source="CSP3, 7.1",
    ),
)
