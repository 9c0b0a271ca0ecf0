"""Other ways to ask for the same: by another method, spelling or version of the path, header, or word of the query.

As proxies, frameworks and forgotten versions take them (OWASP WSTG-ATHZ-02, WSTG-CONF-06; OWASP API 5 and 9).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeGuard
from urllib.parse import urlencode

from harness.probes.api.request import ApiAccount, Hole, RequestDraft, succeeded
from harness.probes.api.world import World
from harness.probes.exchange import Exchange

_CLIENTS = (
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Cluster-Client-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Originating-IP",
    "X-Custom-IP-Authorization",
)
_CLAIMS = {
    "X-Role": "admin",
    "X-User-Role": "admin",
    "X-Roles": "admin",
    "X-Admin": "true",
    "X-Is-Admin": "true",
    "X-Internal": "true",
    "X-Internal-Request": "true",
    "X-Debug": "true",
    "X-Forwarded-Host": "localhost",
}
_PLACES = ("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri")
_OVERRIDES = ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method")
_WORDS = ("admin", "isAdmin", "is_admin", "debug", "internal")
_VERSION = re.compile(r"/v(\d+)(?:\.\d+)?(?=/|$)")
_ROOT = re.compile(r"^/(?:api|rest)(?=/)")
_UNCOUNTED = ("beta", "internal", "old", "legacy", "dev", "test", "mobile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """Another way to ask: what is unusual in it, and the request."""

    name: str
    target: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    spelled: bool = False
    """What is unusual is the path."""

    @property
    def kind(self) -> str:
        """What one cause has in common, whatever the path."""
        return "other spelling of the path" if self.spelled else self.name

    @property
    def told(self) -> str:
        """As a sentence names it, with its value."""
        given = [f"{key}: {text}" for key, text in self.headers.items()]
        given += [f"{key}={text}" for each in (self.query, self.cookies, self.form or {}) for key, text in each.items()]
        return f"the {self.name}" + (f" ({', '.join(given)})" if given else "")

    def ask(self, world: World, account: ApiAccount, more: str = "") -> Exchange | None:
        """Send it as somebody, with more at the end of the path; None where no answer came."""
        path, _, query = self.target.partition("?")
        words = "&".join(filter(None, (query, urlencode(self.query))))
        body: dict[str, Any] = {"data": dict(self.form)} if self.form is not None else {}
        target = f"{path}{more}" + (f"?{words}" if words else "")
        return world.client.heard(
            account, self.method, target, headers=dict(self.headers), cookies=dict(self.cookies), **body
        )

    def without(self, world: World, account: ApiAccount) -> Exchange | None:
        """The same without what is unusual: a plain GET; of a spelling, one that names nothing."""
        if self.spelled:
            return self.ask(world, account, f"-{secrets.token_hex(4)}")
        return world.client.heard(account, "GET", self.target)


def methods(method: str, target: str) -> Iterator[Detour]:
    """The method named beside the request's own, as frameworks allow it to forms."""
    if method == "GET":
        yield Detour(name="method POST", target=target, method="POST")
    carriers = ("POST",) if method == "GET" else ("POST", "GET")
    for carrier in carriers:
        for name in _OVERRIDES:
            yield Detour(name=f"header {name}", target=target, method=carrier, headers={name: method})
        yield Detour(name="query parameter _method", target=target, method=carrier, query={"_method": method})
    yield Detour(name="member _method", target=target, method="POST", form={"_method": method})


def _by_headers(target: str, url: str) -> Iterator[Iterable[tuple[Detour, ...]]]:
    """Headers and words that only a proxy should set, or that claim a role; each group is sent as one at first."""
    path, _, query = target.partition("?")
    at_root = f"/?{query}" if query else "/"
    yield [
        (Detour(name=f"header {name}", target=where, headers={name: value}),)
        for name in _PLACES
        for where, value in ((at_root, path), (target, "/"))
    ]
    clients = {**dict.fromkeys(_CLIENTS, "127.0.0.1"), "Forwarded": "for=127.0.0.1"}
    for group in (clients, _CLAIMS, {"Referer": f"{url}{path}"}):
        yield [tuple(Detour(name=f"header {key}", target=target, headers={key: text}) for key, text in group.items())]
    words = {**dict.fromkeys(_WORDS, "true"), "role": "admin"}
    yield [tuple(Detour(name=f"cookie {key}", target=target, cookies={key: text}) for key, text in words.items())]
    yield [
        tuple(Detour(name=f"query parameter {key}", target=target, query={key: text}) for key, text in words.items())
    ]


def spellings(target: str) -> Iterator[Detour]:
    """The same path in other letters: who compares it as text takes it for another one."""
    path, mark, query = target.partition("?")
    parts = path.split("/")[1:]
    ends = ("/", "/.", "//", ".json", ".", "%20", "%09", "%00", ";x", ";x=y", "%2f", "/..;/")
    found = [f"{path}{end}" for end in ends]
    found += [f"/{path}", f"/%2e{path}", f"/hx/..;{path}", f"/hx/%2e%2e{path}", f"/;x{path}"]
    for number, part in enumerate(parts):
        before, after = ("".join(f"/{each}" for each in some) for some in (parts[:number], parts[number + 1 :]))
        found += [f"{before}/{word}{after}" for word in _words_for(part)]
        if number:
            rest = "/".join(parts[number:])
            found += [f"{before}//{rest}", f"{before}/%2e/{rest}", f"{before}%2f{rest}", f"{before};x/{rest}"]
    for spelled in dict.fromkeys(found):
        if spelled != path:
            yield Detour(name=f"path {spelled}", target=f"{spelled}{mark}{query}", spelled=True)


def _words_for(part: str) -> list[str]:
    """A part of a path in other letters."""
    coded = f"{ord(part[0]):02x}{part[1:]}" if part else ""
    words = (part.upper(), part.capitalize(), f"%{coded}", f"%25{coded}") if part.isascii() else ()
    return [word for word in words if word != part]


def versions(path: str) -> Iterator[str]:
    """The same path of other versions: earlier ones, the next one, those that nobody counts, and none."""
    found = _VERSION.search(path)
    if found is not None:
        before, after = path[: found.start()], path[found.end() :]
        words = [f"v{number}" for number in (*range(int(found[1])), int(found[1]) + 1)]
        yield from (f"{before}/{word}{after}" for word in (*words, *_UNCOUNTED))
        yield f"{before}{after}"
        return
    root = _ROOT.match(path)
    head = root[0] if root is not None else ""
    yield from (f"{head}/{word}{path[len(head) :]}" for word in ("v0", "v1", "v2", *_UNCOUNTED))
    if not head:
        yield from (f"/api/{word}{path}" for word in ("v0", "v1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRead:
    """A read that an account is refused, and how an answer is known that gives it nevertheless."""

    draft: RequestDraft
    account: ApiAccount
    status: int
    is_it: Callable[[Exchange], bool]
    owner: ApiAccount | None = None
    """Whose it is, where it is one account's alone."""

    def is_given_by(self, answer: Exchange | None) -> TypeGuard[Exchange]:
        """Does an answer give what is refused?"""
        return succeeded(answer) and self.is_it(answer)

    def ways_round(self, world: World) -> Iterator[Hole]:
        """Detours by which the account gets it, and does not get it without them.

        The first one of each family: ways that have the same cause are told once.
        """
        target = self.draft.target
        families: Iterable[Iterable[tuple[Detour, ...]]] = (
            ((each,) for each in methods("GET", target)),
            *_by_headers(target, world.login.info.url),
            ((each,) for each in spellings(target)),
        )
        for family in families:
            yield from islice((hole for group in family for hole in self._opened(world, group)), 1)

    def _opened(self, world: World, group: tuple[Detour, ...]) -> Iterator[Hole]:
        if self.is_given_by(_together(group).ask(world, self.account)):
            for one in group:
                answer = one.ask(world, self.account)
                if self.is_given_by(answer) and not self.is_given_by(one.without(world, self.account)):
                    yield self._hole(one, answer)

    def _hole(self, way: Detour, seen: Exchange) -> Hole:
        what, gives = "", f"answers {seen.status}"
        if self.owner is not None:
            what, gives = f" what is {self.owner.name}'s", "gives it"
        says = f"refuses {self.account.name}{what} with {self.status}, and {gives} by {way.told}"
        return Hole(operation=self.draft.operation.name, parameter=way.kind, says=says, proof=(seen,))


def bypassed(world: World, refusals: Iterable[RefusedRead]) -> Iterator[Hole]:
    """Ways round refusals; a kind of way is told once: one cause is one finding."""
    told: set[str] = set()
    for hole in (each for refusal in refusals for each in refusal.ways_round(world)):
        if hole.parameter not in told:
            told.add(hole.parameter)
            yield hole


def shown(texts: Iterable[str], answer: Exchange | None) -> list[str]:
    """Those of the texts that an answer holds."""
    return [each for each in texts if answer is not None and each in answer.text]


def holding(texts: Iterable[str]) -> Callable[[Exchange], bool]:
    """Does an answer hold any of these texts?"""
    kept = tuple(texts)
    return lambda seen: any(each in seen.text for each in kept)


def _together(group: tuple[Detour, ...]) -> Detour:
    first = group[0]
    return Detour(
        name=first.name,
        target=first.target,
        method=first.method,
        headers={key: text for each in group for key, text in each.headers.items()},
        query={key: text for each in group for key, text in each.query.items()},
        cookies={key: text for each in group for key, text in each.cookies.items()},
        form=first.form,
        spelled=first.spelled,
    )
