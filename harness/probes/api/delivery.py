"""How an answer is delivered: kept by caches for others, handed to pages of other origins, with links to another host;
and what becomes of a file that was handed in.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from harness.probes.api.inputs import FORM, JSON, MARK, MULTIPART, leaves
from harness.probes.api.pages import shows_again, tokens_in
from harness.probes.api.request import NOBODY, ApiAccount, Hole, json_of, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_MOST = 20
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
    for described, account, own, texts in _private_reads(world):
        other = next((each for each in world.accounts if each is not account and each.role == account.role), NOBODY)
        draft = world.drafts[described.name, account.name]
        theirs = [world.client.tried(each, draft) for each in (other, NOBODY)] if not draft.path else []
        given = next((seen for seen in theirs if seen is not None and any(each in seen.text for each in texts)), None)
        if given is not None:
            says = f"gives {account.name}'s answer to the next one who asks"
            yield Hole(operation=described.name, parameter="cache", says=says, proof=(own, given))
            return
        rules = _rules(own)
        varies = (own.header("Vary") or "").lower()
        is_kept = "public" in rules or _seconds(rules.get("s-maxage")) > 0
        by_cookie = account.cookies and _seconds(rules.get("max-age")) > 0 and "cookie" not in varies
        if {"no-store", "private", "no-cache"} & set(rules) or not (is_kept or by_cookie):
            continue
        if is_kept and ("authorization" in varies or "cookie" in varies or "*" in varies):
            continue
        says = f"answers what only {account.name} may see with Cache-Control: {own.header('Cache-Control')}"
        yield Hole(operation=described.name, parameter="Cache-Control", says=says, proof=(own,))
        return


def _rules(answer: Exchange) -> dict[str, str]:
    lines = ",".join(answer.header_lines("Cache-Control")).lower().split(",")
    return {key.strip(): value.strip(' "') for key, _, value in (each.partition("=") for each in lines)}


def _seconds(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else 0


def _private_reads(world: World) -> Iterator[tuple[Described, ApiAccount, Exchange, list[str]]]:
    """Reads that refuse nobody, with what they show to an account and not to another one."""
    for account in world.accounts[:1]:
        other = next((each for each in world.accounts if each is not account and each.role == account.role), NOBODY)
        for described in list(world.reads())[:_MOST]:
            refused = world.answers.get((described.name, NOBODY.name))
            draft = world.drafts.get((described.name, account.name))
            own = world.client.tried(account, draft) if draft is not None else None
            if draft is None or own is None or not succeeded(own):
                continue
            if refused is None or refused.status not in (401, 403, 404):
                continue
            theirs, again = world.client.tried(other, draft), world.client.tried(account, draft)
            shown = {value for _, value in leaves(json_of(own)) if isinstance(value, str) and len(value) >= _LONG}
            kept = {each for each in shown if again is not None and each in again.text}
            texts = sorted(each for each in kept if theirs is None or each not in theirs.text)
            if texts:
                yield described, account, own, texts


def origins_let_in(world: World) -> Iterator[Hole]:
    """Origins that nobody meant, which may read what an account is shown, with its cookies (PortSwigger: CORS)."""
    parts = urlsplit(world.login.info.url)
    word = f"hx{secrets.token_hex(4)}"
    origins = ("null", f"https://{word}.example.net", f"{parts.scheme}://{parts.hostname}.{word}.example.net")
    for described, account, _, _ in _private_reads(world):
        draft = world.drafts[described.name, account.name]
        for origin in origins:
            seen = world.client.tried(account, draft, headers={"Origin": origin})
            if seen is None or seen.header("Access-Control-Allow-Origin") != origin:
                continue
            if (seen.header("Access-Control-Allow-Credentials") or "").lower() == "true":
                says = f"lets pages of the origin {origin} read it, with the credentials of who visits them"
                yield Hole(operation=described.name, parameter="Access-Control-Allow-Origin", says=says, proof=(seen,))
                break
        else:
            continue
        break
    yield from _handed_to_scripts(world)


def _handed_to_scripts(world: World) -> Iterator[Hole]:
    """What an account is shown, as a script that calls a function which the request names (JSONP, CWE-1385)."""
    if not _goes_along(world, world.asker):
        return
    for described, account, _, texts in _private_reads(world):
        draft = world.drafts[described.name, account.name]
        word = f"hx{secrets.token_hex(4)}"
        stranger = replace(account, headers={})
        seen = world.client.tried(stranger, replace(draft, query={**draft.query, **dict.fromkeys(_CALLBACKS, word)}))
        kind = (seen.header("Content-Type") or "").lower() if seen is not None else ""
        is_run = re.match(rf"\W*(?:typeof {word}\W.{{0,80}})?{word}\(", seen.text) if seen is not None else None
        if seen is None or not succeeded(seen) or is_run is None or not any(each in seen.text for each in texts):
            continue
        if "script" not in kind and "nosniff" in (seen.header("X-Content-Type-Options") or "").lower():
            continue
        name = next(
            (
                each
                for each in _CALLBACKS
                if (one := world.client.tried(stranger, replace(draft, query={**draft.query, each: word}))) is not None
                and f"{word}(" in one.text
            ),
            _CALLBACKS[0],
        )
        says = (
            f"answers a script that hands it to the function which the query parameter {name} names: any page runs it"
        )
        yield Hole(operation=described.name, parameter=f"query parameter {name}", says=says, proof=(seen,))
        return


def links_elsewhere(world: World) -> Iterator[Hole]:
    """Links for a new password, or for a new account, to whatever host the request names (PortSwigger: Host header)."""
    account = world.asker
    for described in world.operations:
        words = f"{described.operation.path} {described.operation.operation_id}"
        if described.operation.method != "POST" or not _LINKING.search(words):
            continue
        draft = world.draft(described, NOBODY)
        if draft is None:
            continue
        if isinstance(draft.body, Mapping):
            named = [key for key in draft.body if re.fullmatch(r"(?i)(e_?mail|user(name)?|login|account)", key)]
            is_new = re.search(r"register|sign_?up", words, re.IGNORECASE)
            draft = replace(draft, body={**draft.body, **({} if is_new else dict.fromkeys(named, account.username))})
        for name in _HOST_HEADERS:
            host = f"{MARK}{secrets.token_hex(6)}.example.net"
            seen = world.client.tried(NOBODY, draft, headers={name: host})
            places = [seen.text, seen.header("Location") or ""] if seen is not None else []
            if seen is not None and any(host in each for each in places):
                says = f"makes a link to the host that the header {name} names"
                yield Hole(operation=described.name, parameter=f"header {name}", says=says, proof=(seen,))
                break


def files_taken(world: World) -> Iterator[Hole]:
    """Files that were handed in under a name that leads elsewhere, or that are given as pages of the service."""
    account = world.asker
    for described in world.operations:
        member = _file_member(described)
        if not member or described.is_disruptive:
            continue
        yield from _led_elsewhere(world, described, account, member)
        yield from _given_as_pages(world, described, account, member)


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


def _hand_in(
    world: World, described: Described, account: ApiAccount, member: str, file: tuple[str, bytes, str]
) -> Exchange | None:
    body = next((each for each in described.inputs.bodies if each.media_type == MULTIPART), None)
    draft = world.draft(described, account)
    if draft is None or body is None:
        return None
    made = draft.body if isinstance(draft.body, Mapping) and draft.media_type == MULTIPART else {}
    others = {key: str(value) for key, value in made.items() if key != member}
    return world.client.heard(account, described.operation.method, draft.target, files={member: file}, data=others)


def _led_elsewhere(world: World, described: Described, account: ApiAccount, member: str) -> Iterator[Hole]:
    """A file's name with a way up: it lies a folder higher than one with a plain name."""
    for ending, kind, content in ((".txt", "text/plain", b""), (".png", "image/png", _PNG)):
        word, text = f"{MARK}{secrets.token_hex(6)}", f"{MARK}{secrets.token_hex(8)}"
        data = content + text.encode()
        plain = _hand_in(world, described, account, member, (f"{word}{ending}", data, kind))
        if plain is None or not succeeded(plain):
            continue
        home = _place_of(world, account, plain, f"{word}{ending}", text)
        other = f"{MARK}{secrets.token_hex(6)}{ending}"
        seen = _hand_in(world, described, account, member, (f"../{other}", data, kind))
        if seen is None or not succeeded(seen):
            return
        away = _place_of(world, account, seen, other, text)
        if (
            home
            and away
            and away.rpartition("/")[0] != home.rpartition("/")[0]
            and home.startswith(away.rpartition("/")[0])
        ):
            says = f"keeps a file named '../{other}' at {away}, outside of the folder of its files ({home})"
            yield Hole(operation=described.name, parameter="name of the file", says=says, proof=(seen,))
        return


def _given_as_pages(world: World, described: Described, account: ApiAccount, member: str) -> Iterator[Hole]:
    for name, kind, content in _ACTIVE:
        word = f"{MARK}{secrets.token_hex(6)}"
        own = name.format(word=word)
        sent = content.format(word=word).encode()
        seen = _hand_in(world, described, account, member, (own, sent, kind))
        if seen is None or not succeeded(seen):
            continue
        place = _place_of(world, account, seen, own, word)
        given = world.client.heard(account, "GET", place) if place else None
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


def _place_of(world: World, account: ApiAccount, told: Exchange, name: str, text: str) -> str:
    """Where a file that was handed in can be read: a place that the answer tells, else a usual one; "" for nowhere."""
    words = [value for _, value in leaves(json_of(told)) if isinstance(value, str) and 0 < len(value) < 300]
    words += [told.header("Location") or ""]
    paths = [urlsplit(each).path for each in words if "/" in each and " " not in each]
    found = [each if each.startswith("/") else f"/{each}" for each in paths]
    found += [
        f"{root}/{each}" for each in {name, *(one for one in words if "/" not in one and "." in one)} for root in _ROOTS
    ]
    found += [f"{root}{each}" for each in paths if each.startswith("/") for root in _ROOTS[1:]]
    for place in dict.fromkeys(found[:40]):
        seen = world.client.heard(account, "GET", place)
        if seen is not None and succeeded(seen) and text in seen.text:
            return place
    return ""


def writes_by_strangers(world: World) -> Iterator[Hole]:
    """Writes by a cookie alone, in a form that a page of another origin may send (CWE-352)."""
    account = world.asker
    if not _goes_along(world, account):
        return
    stranger = replace(account, headers={})
    for described in world.makers():
        draft = world.drafts.get((described.name, account.name))
        if draft is None or not isinstance(draft.body, Mapping):
            continue
        hidden = world.hidden.get((described.name, account.name), {})
        body = {key: value for key, value in draft.body.items() if key not in tokens_in(hidden)}
        for kind in (FORM, "text/plain"):
            if (
                kind == FORM
                and draft.media_type == JSON
                and any(isinstance(each, dict | list) for each in body.values())
            ):
                continue
            asked = replace(draft, media_type=kind, body=body)
            seen = world.client.tried(stranger, asked, headers={"Origin": "https://hx.example.net"})
            if seen is not None and succeeded(seen) and not shows_again(seen, body):
                says = f"takes {kind} from a page of another origin, by a cookie without SameSite"
                yield Hole(operation=described.name, parameter="Origin", says=says, proof=(seen,))
                return


def _goes_along(world: World, account: ApiAccount) -> bool:
    """Does the cookie of a login say nothing that keeps browsers from sending it with requests of other sites?"""
    sessions = world.login.cookies_set(account)[1] if account.cookies else []
    return bool(sessions) and not any(each.same_site in ("lax", "strict") for each in sessions)
