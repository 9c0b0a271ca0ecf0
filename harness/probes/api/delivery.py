"""How an answer is delivered: kept by caches for others, handed to pages of other origins, with links to another host;
and what becomes of a file that was handed in.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from harness.probes.api.inputs import FORM, JSON, MARK, MULTIPART
from harness.probes.api.pages import shows_again, tokens_in
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, succeeded, texts_of
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_MOST = 20
_KEPT_S = 10
"""So long it is waited for an answer that a service keeps to end."""
_LONG = 6
_HOST_HEADERS = ("X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-HTTP-Host-Override", "Host")
_LINKING = re.compile(r"forgot|reset|recover|verif|confirm|invite|magic|passwordless|register|sign_?up", re.IGNORECASE)
_ROOTS = ("", "/uploads", "/files", "/static", "/media", "/public", "/avatars", "/images")
_CALLBACKS = ("callback", "jsonp", "cb", "jsonpCallback")
_SCRIPT = "<script>/*{word}*/</script>"
_ACTIVE = (
    ("{word}.html", "text/html", "<!doctype html>" + _SCRIPT),
    ("{word}.svg", "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg">' + _SCRIPT + "</svg>"),
)
_PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


def answers_cached(world: World) -> Iterator[Hole]:
    """What one account is shown, and a cache on the way may give to the next one (RFC 9111, 3.5)."""
    for read in _private_reads(world):
        other = world.peer(read.account) or NOBODY
        theirs = [world.client.tried(each, read.draft) for each in (other, NOBODY)] if not read.draft.path else []
        given = next(filter(read.is_shown_by, theirs), None)
        if given is not None:
            says = f"gives {read.account.name}'s answer to the next one who asks"
            yield Hole(operation=read.operation, parameter="cache", says=says, proof=(read.own, given))
            return
        if _may_be_kept(read.own, by_cookie=bool(read.account.cookies)):
            rules = read.own.header("Cache-Control")
            says = f"answers what only {read.account.name} may see with Cache-Control: {rules}"
            yield Hole(operation=read.operation, parameter="Cache-Control", says=says, proof=(read.own,))
            break
    yield from _mixed_up(world)


def _mixed_up(world: World) -> Iterator[Hole]:
    """A service that keeps answers of its own, and gives whoever asks next what it made for another account."""
    first, second = world.pair or (NOBODY, NOBODY)
    for described, draft in islice(world.known_reads(first), _MOST):
        refused = world.answers.get((described.name, NOBODY.name))
        if draft.path or refused is None or succeeded(refused):
            continue
        world.client.tried(first, draft)
        seen = world.client.tried(second, draft)
        if seen is not None and _is_about(seen, first, second) and _turns(world, draft, (first, second)):
            says = f"gave {second.name} the answer that was made for {first.name}: whoever asks first decides"
            yield Hole(operation=described.name, parameter="cache", says=says, proof=(seen,))
            return


def _turns(world: World, draft: RequestDraft, pair: tuple[ApiAccount, ApiAccount]) -> bool:
    """Is it so the other way round, once what is kept has ended?"""
    first, second = pair
    for _ in range(_KEPT_S):
        time.sleep(1)
        own = world.client.tried(second, draft)
        if own is not None and _is_about(own, second, first):
            theirs = world.client.tried(first, draft)
            return theirs is not None and _is_about(theirs, second, first)
    return False


def _is_about(answer: Exchange, one: ApiAccount, other: ApiAccount) -> bool:
    """Does it name the one account and not the other?"""
    return succeeded(answer) and one.username in answer.text and other.username not in answer.text


def _may_be_kept(answer: Exchange, *, by_cookie: bool) -> bool:
    """May a cache give an answer to the next one who asks, by its rules and by what it says that it varies with?"""
    rules = _rules(answer)
    if {"no-store", "private", "no-cache"} & set(rules):
        return False
    varies = (answer.header("Vary") or "").lower()
    if "public" in rules or _seconds(rules.get("s-maxage")) > 0:
        return not any(each in varies for each in ("authorization", "cookie", "*"))
    return by_cookie and _seconds(rules.get("max-age")) > 0 and "cookie" not in varies


def _rules(answer: Exchange) -> dict[str, str]:
    lines = ",".join(answer.header_lines("Cache-Control")).lower().split(",")
    return {key.strip(): value.strip(' "') for key, _, value in (each.partition("=") for each in lines)}


def _seconds(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0


@dataclass(frozen=True, slots=True)
class _PrivateRead:
    """A read that is refused to whoever has no login, and what it shows to an account and not to another one."""

    operation: str
    account: ApiAccount
    draft: RequestDraft
    own: Exchange
    texts: list[str]

    def is_shown_by(self, answer: Exchange | None) -> TypeGuard[Exchange]:
        """Does an answer hold what is the account's alone?"""
        return answer is not None and any(each in answer.text for each in self.texts)

    def calling(self, function: str, *names: str) -> RequestDraft:
        """The read with a function's name in each of these parameters."""
        return replace(self.draft, query={**self.draft.query, **dict.fromkeys(names, function)})


def _private_reads(world: World) -> Iterator[_PrivateRead]:
    for account in world.accounts[:1]:
        other = world.peer(account) or NOBODY
        for described, draft in world.working(list(world.reads())[:_MOST], account):
            refused = world.answers.get((described.name, NOBODY.name))
            own = world.client.tried(account, draft)
            if not succeeded(own) or refused is None or refused.status not in (401, 403, 404):
                continue
            theirs, again = world.client.tried(other, draft), world.client.tried(account, draft)
            if texts := _shown_alone(own, again, theirs):
                yield _PrivateRead(described.name, account, draft, own, texts)


def _shown_alone(own: Exchange, again: Exchange | None, theirs: Exchange | None) -> list[str]:
    """Texts that an account is shown each time, and another one is not."""
    kept = {each for each in texts_of(own, _LONG) if again is not None and each in again.text}
    return sorted(each for each in kept if theirs is None or each not in theirs.text)


def origins_let_in(world: World) -> Iterator[Hole]:
    """Origins that nobody meant, which may read what an account is shown, with its cookies (PortSwigger: CORS)."""
    parts = urlsplit(world.login.info.url)
    word = f"hx{secrets.token_hex(4)}"
    origins = ("null", f"https://{word}.example.net", f"{parts.scheme}://{parts.hostname}.{word}.example.net")
    yield from islice((hole for read in _private_reads(world) for hole in _let_in(world, read, origins)), 1)
    yield from _handed_to_scripts(world)


def _let_in(world: World, read: _PrivateRead, origins: tuple[str, ...]) -> Iterator[Hole]:
    for origin in origins:
        seen = world.client.tried(read.account, read.draft, headers={"Origin": origin})
        if seen is None or seen.header("Access-Control-Allow-Origin") != origin:
            continue
        if (seen.header("Access-Control-Allow-Credentials") or "").lower() == "true":
            says = f"lets pages of the origin {origin} read it, with the credentials of who visits them"
            yield Hole(operation=read.operation, parameter="Access-Control-Allow-Origin", says=says, proof=(seen,))


def _handed_to_scripts(world: World) -> Iterator[Hole]:
    """What an account is shown, as a script that calls a function which the request names (JSONP, CWE-1385)."""
    if not _goes_along(world, world.asker):
        return
    for read in _private_reads(world):
        word = f"hx{secrets.token_hex(4)}"
        stranger = replace(read.account, headers={})
        seen = world.client.tried(stranger, read.calling(word, *_CALLBACKS))
        if not succeeded(seen) or not _is_run(seen, word) or not read.is_shown_by(seen):
            continue
        answers = ((each, world.client.tried(stranger, read.calling(word, each))) for each in _CALLBACKS)
        called = (name for name, one in answers if one is not None and f"{word}(" in one.text)
        name = next(called, _CALLBACKS[0])
        says = (
            f"answers a script that hands it to the function which the query parameter {name} names: any page runs it"
        )
        yield Hole(operation=read.operation, parameter=f"query parameter {name}", says=says, proof=(seen,))
        return


def _is_run(answer: Exchange, word: str) -> bool:
    """Does a browser take an answer for a script that begins with a call of that function?"""
    begins = re.match(rf"\W*(?:typeof {word}\W.{{0,80}})?{word}\(", answer.text) is not None
    is_script = "script" in (answer.header("Content-Type") or "").lower()
    return begins and (is_script or "nosniff" not in (answer.header("X-Content-Type-Options") or "").lower())


def links_elsewhere(world: World) -> Iterator[Hole]:
    """Links for a new password, or for a new account, to whatever host the request names (PortSwigger: Host header)."""
    for described in world.operations:
        if described.operation.method != "POST" or not _LINKING.search(described.title):
            continue
        draft = _asking_for_link(world, described)
        for name in _HOST_HEADERS:
            host = f"{MARK}{secrets.token_hex(6)}.example.net"
            seen = world.client.tried(NOBODY, draft, headers={name: host})
            if seen is not None and (host in seen.text or host in (seen.header("Location") or "")):
                says = f"makes a link to the host that the header {name} names"
                yield Hole(operation=described.name, parameter=f"header {name}", says=says, proof=(seen,))
                break


def _asking_for_link(world: World, described: Described) -> RequestDraft:
    """The request of whoever has forgotten a password, or has no account yet."""
    draft = world.draft(described, NOBODY)
    if re.search(r"register|sign_?up", described.title, re.IGNORECASE):
        return draft
    named = [key for key in draft.members if re.fullmatch(r"(?i)(e_?mail|user(name)?|login|account)", key)]
    return draft.with_members(dict.fromkeys(named, world.asker.username))


def files_taken(world: World) -> Iterator[Hole]:
    """Files that were handed in under a name that leads elsewhere, or that are given as pages of the service."""
    for described in world.operations:
        member = _file_member(described)
        if member and not described.is_disruptive:
            yield from _led_elsewhere(world, described, member)
            yield from _given_as_pages(world, described, member)


def _file_member(described: Described) -> str:
    """The member that takes a file; "" if none does."""
    body = next((each for each in described.inputs.bodies if each.media_type == MULTIPART), None)
    if described.operation.method not in ("POST", "PUT") or body is None:
        return ""
    for name, schema in body.members.items():
        if (
            schema.get("format") == "binary"
            or "contentMediaType" in schema
            or re.search(r"(?i)file|image|avatar", name)
        ):
            return name
    return ""


def _hand_in(world: World, described: Described, member: str, file: tuple[str, bytes, str]) -> Exchange | None:
    draft = world.draft(described, world.asker)
    made = draft.body if isinstance(draft.body, Mapping) and draft.media_type == MULTIPART else {}
    others = {key: str(value) for key, value in made.items() if key != member}
    method = described.operation.method
    return world.client.heard(world.asker, method, draft.target, files={member: file}, data=others)


def _led_elsewhere(world: World, described: Described, member: str) -> Iterator[Hole]:
    """A file's name with a way up: it lies a folder higher than one with a plain name."""
    for ending, kind, content in ((".txt", "text/plain", b""), (".png", "image/png", _PNG)):
        word, text = f"{MARK}{secrets.token_hex(6)}", f"{MARK}{secrets.token_hex(8)}"
        data = content + text.encode()
        plain = _hand_in(world, described, member, (f"{word}{ending}", data, kind))
        if not succeeded(plain):
            continue
        home = _place_of(world, plain, f"{word}{ending}", text)
        other = f"{MARK}{secrets.token_hex(6)}{ending}"
        seen = _hand_in(world, described, member, (f"../{other}", data, kind))
        if not succeeded(seen):
            return
        away = _place_of(world, seen, other, text)
        above = away.rpartition("/")[0]
        if home and away and above != home.rpartition("/")[0] and home.startswith(above):
            says = f"keeps a file named '../{other}' at {away}, outside of the folder of its files ({home})"
            yield Hole(operation=described.name, parameter="name of the file", says=says, proof=(seen,))
        return


def _given_as_pages(world: World, described: Described, member: str) -> Iterator[Hole]:
    for name, kind, content in _ACTIVE:
        word = f"{MARK}{secrets.token_hex(6)}"
        own = name.format(word=word)
        sent = content.format(word=word).encode()
        seen = _hand_in(world, described, member, (own, sent, kind))
        if not succeeded(seen):
            continue
        place = _place_of(world, seen, own, word)
        given = world.client.heard(world.asker, "GET", place) if place else None
        if given is None or not _is_page(given) or word not in given.text:
            continue
        says = (
            f"gives the file {own!r} that was handed in at {place} as {given.header('Content-Type')}: its script runs"
        )
        yield Hole(operation=described.name, parameter="kind of the file", says=says, proof=(seen, given))
        return


def _is_page(answer: Exchange) -> bool:
    kind = (answer.header("Content-Type") or "").partition(";")[0].strip().lower()
    is_kept = "attachment" in (answer.header("Content-Disposition") or "").lower()
    policy = (answer.header("Content-Security-Policy") or "").lower()
    is_bound = "sandbox" in policy or "script-src 'none'" in policy or "default-src 'none'" in policy
    return kind in ("text/html", "image/svg+xml", "application/xhtml+xml") and not is_kept and not is_bound


def _place_of(world: World, told: Exchange, name: str, text: str) -> str:
    """Where a file that was handed in can be read: a place that the answer tells, else a usual one; "" for nowhere."""
    for place in dict.fromkeys(_usual_places(told, name)[:40]):
        seen = world.client.heard(world.asker, "GET", place)
        if succeeded(seen) and text in seen.text:
            return place
    return ""


def _usual_places(told: Exchange, name: str) -> list[str]:
    words = [*(each for each in texts_of(told) if len(each) < 300), told.header("Location") or ""]
    paths = [urlsplit(each).path for each in words if _is_path(each)]
    files = {name, *filter(_is_file, words)}
    return [
        *(f"/{each.removeprefix('/')}" for each in paths),
        *(f"{root}/{each}" for each, root in product(files, _ROOTS)),
        *(f"{root}{each}" for each, root in product(paths, _ROOTS[1:]) if each.startswith("/")),
    ]


def _is_path(word: str) -> bool:
    return "/" in word and " " not in word


def _is_file(word: str) -> bool:
    return "/" not in word and "." in word


def writes_by_strangers(world: World) -> Iterator[Hole]:
    """Writes by a cookie alone, in a form that a page of another origin may send (CWE-352)."""
    account = world.asker
    if not _goes_along(world, account):
        return
    stranger = replace(account, headers={})
    for described, draft in world.working(world.makers(), account):
        if not isinstance(draft.body, Mapping):
            continue
        hidden = tokens_in(world.hidden.get((described.name, account.name), {}))
        body = {key: value for key, value in draft.body.items() if key not in hidden}
        for kind in _kinds_of_forms(draft.media_type, body):
            asked = replace(draft, media_type=kind, body=body)
            seen = world.client.tried(stranger, asked, headers={"Origin": "https://hx.example.net"})
            if succeeded(seen) and not shows_again(seen, body):
                says = f"takes {kind} from a page of another origin, by a cookie without SameSite"
                yield Hole(operation=described.name, parameter="Origin", says=says, proof=(seen,))
                return


def _kinds_of_forms(media_type: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """As what a page may send a body without being asked about it first: nested members are no fields of a form."""
    is_nested = media_type == JSON and any(isinstance(each, dict | list) for each in body.values())
    return ("text/plain",) if is_nested else (FORM, "text/plain")


def _goes_along(world: World, account: ApiAccount) -> bool:
    """Does the cookie of a login say nothing that keeps browsers from sending it with requests of other sites?"""
    sessions = world.login.cookies_set(account)[1] if account.cookies else []
    return bool(sessions) and not any(each.same_site in ("lax", "strict") for each in sessions)
