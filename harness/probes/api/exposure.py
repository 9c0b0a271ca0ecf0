"""What answers tell beyond what they should: passwords, hashes and tokens; and doors that stand open beside the API."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from harness.probes.api.detours import RefusedRead, holding, shown, versions
from harness.probes.api.inputs import members, objects, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, lazily, succeeded
from harness.probes.api.tokens import read_jwt
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_PASSWORD = re.compile(r"passw(?:or)?d|passphrase|passhash|pwd|pwhash|passwordhash|salt$|pincode|cvv|cvc2?$|cardnumber")
_TOKEN = re.compile(
    r"resettoken|resetcode|sessiontoken|sessionid|sessionkey|refreshtoken|accesstoken|authtoken|apitoken|apikey|apisecret|"
    r"privatekey|clientsecret|mfasecret|totpsecret|otpsecret|otp$|verificationcode|verificationtoken|activationtoken|"
    r"recoverycode|securityanswer|secretkey|signingkey"
)
_HARMLESS = re.compile(
    r"^(?:has|is|can|must|min|max|requires?|last|next|url|needs)|(?:url|policy|changed|changedat|at|set|hint|"
    r"strength|expires?|length|required|enabled|type|link|path|format|rules?)$"
)
_HASH = re.compile(
    r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$|\$(?:5|6|1|y|7)\$[./A-Za-z0-9]{1,40}\$|"
    r"(?:pbkdf2|scrypt|bcrypt|argon2)(?:[_:-]?sha\d+)?[:$]\S{16}|\{SSHA\d*\}"
)
_MASKED = re.compile(r"[*•xX.#-]*|(?:hidden|redacted|masked|none|null|n/a|write-?only|string)", re.IGNORECASE)
_DOORS = (
    ("/actuator/env", re.compile(r"propertySources")),
    ("/actuator/heapdump", re.compile(r"^JAVA PROFILE")),
    ("/actuator/configprops", re.compile(r"\"beans\"")),
    ("/env", None),
    ("/config", None),
    ("/config.json", None),
    ("/settings", None),
    ("/debug", None),
    ("/debug/", None),
    ("/_debug", None),
    ("/debug/env", None),
    ("/debug/config", None),
    ("/debug/vars", re.compile(r"memstats|cmdline")),
    ("/debug/pprof/", re.compile(r"goroutine|heap")),
    ("/debug/users", None),
    ("/console", re.compile(r"Werkzeug|Interactive Console|H2 Console", re.IGNORECASE)),
    ("/phpinfo.php", re.compile(r"PHP Version")),
    ("/server-status", re.compile(r"Apache Server Status")),
    ("/trace", None),
    ("/dump", None),
    ("/internal", None),
    ("/internal/config", None),
    ("/internal/users", None),
    ("/admin", None),
    ("/admin/users", None),
    ("/admin/config", None),
    ("/admin/export", None),
    ("/users", None),
    ("/backup", None),
    ("/export", None),
    ("/logs", None),
    ("/__debug__/", None),
    ("/_profiler", re.compile(r"Symfony Profiler")),
    ("/telescope", re.compile(r"Laravel Telescope")),
)
"""Path -> what its answer holds; None where it is judged by what any answer may hold."""
_SETTINGS = re.compile(
    r"[\"'\s](?:AWS_SECRET\w*|JWT_SECRET\w*|PYTHONPATH|LD_LIBRARY_PATH|PATH|HOME|"
    r"(?i:(?:jwt_?|signing_?|secret_?|private_?)(?:key|secret)|db_?password|database_?url))[\"']?\s*[:=]\s*"
    r"[\"']?[^\"'\s,}]{3}"
)
_MOST_READS = 12


@dataclass(frozen=True, slots=True)
class _Told:
    """A member of answers that should not be in any, and where it was seen."""

    name: str
    what: str
    operation: str
    answer: Exchange


@lazily
def secrets_told(world: World) -> list[Hole]:
    """Members of answers that are secrets of accounts; each named once, with all the operations that tell it."""
    found: dict[str, list[_Told]] = defaultdict(list)
    for told in _all_told(world):
        found[told.name].append(told)
    return [*_of_claims(world), *(_hole_of(name, seen) for name, seen in found.items())]


def _all_told(world: World) -> Iterator[_Told]:
    for (operation, asker), answer in world.answers.items():
        described = world.operation(operation)
        if described is not None and succeeded(answer):
            gives_tokens = described.is_of_accounts and not described.operation.is_safe
            account = next((each for each in world.accounts if each.name == asker), NOBODY)
            yield from _secrets(world, operation, answer, account, gives_tokens=gives_tokens)


def _hole_of(name: str, seen: list[_Told]) -> Hole:
    places = list(dict.fromkeys(each.operation for each in seen))
    more = f", and so do {', '.join(places[1:4])}" if len(places) > 1 else ""
    says = f"tells {seen[0].what} in the member {name!r}{more}"
    return Hole(operation=places[0], parameter=f"member {name}", says=says, proof=(seen[0].answer,))


def secrets_in(world: World, answer: Exchange, account: ApiAccount) -> Iterator[tuple[str, str]]:
    """Members of an answer that are secrets of accounts, and what each is."""
    for told in _secrets(world, "", answer, account, gives_tokens=False):
        yield told.name, told.what


def _secrets(
    world: World, operation: str, answer: Exchange, account: ApiAccount, *, gives_tokens: bool
) -> Iterator[_Told]:
    known = dict(_known(world.accounts))
    for name, value, thing in members(json_of(answer)):
        what = _what(plain_name(name), str(value), known) or _hash_of(name, str(value), thing)
        is_due = what == "a token" and (gives_tokens or _is_its_own(name, thing, account))
        if what and not is_due:
            yield _Told(name, what, operation, answer)


def _known(accounts: Iterable[ApiAccount]) -> Iterator[tuple[str, str]]:
    """Passwords and their hashes, and what each is."""
    for each in accounts:
        yield each.password, "a password"
        for way in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(way, each.password.encode(), usedforsecurity=False).hexdigest()
            yield digest, f"a password's hash ({way})"


def _what(name: str, value: str, known: Mapping[str, str]) -> str:
    if value in known and len(value) >= 6:
        return known[value]
    if _HASH.search(value):
        return "a password's hash"
    if _HARMLESS.search(name) or _MASKED.fullmatch(value):
        return ""
    if _PASSWORD.search(name):
        return "what is called a password"
    return "a token" if _TOKEN.search(name) else ""


def _hash_of(name: str, value: str, thing: Mapping[str, Any]) -> str:
    """Is it a hash, by its name and form, of a thing that is an account?"""
    is_account = any(plain_name(key) in ("username", "email", "login", "role") for key in thing)
    is_hash = re.search(r"(?:hash|digest)$", plain_name(name)) and re.fullmatch(r"(?:[0-9a-f]{2}){16,}", value)
    return "a password's hash" if is_account and is_hash else ""


def _is_its_own(name: str, thing: Mapping[str, Any], account: ApiAccount) -> bool:
    """Is a key told to the very account that it belongs to, which may have to read it?"""
    keys = ("apikey", "apitoken", "apisecret", "clientsecret")
    return not account.is_nobody and plain_name(name) in keys and account.username in thing.values()


def _of_claims(world: World) -> Iterator[Hole]:
    """Tokens are signed and not sealed: whoever has one reads it."""
    for account in world.accounts[:1]:
        jwt = read_jwt(account.token)
        for name, value in jwt.claims.items() if jwt is not None else ():
            if isinstance(value, str) and value and (_PASSWORD.search(plain_name(name)) or _HASH.search(value)):
                says = f"puts the claim {name!r} into its tokens, which anybody can read"
                operation = f"POST {world.target.auth.login}"
                yield Hole(operation=operation, parameter=f"claim {name}", says=says)


@lazily
def doors_open(world: World) -> list[Hole]:
    """Paths beside the described ones, under the usual names, which show settings or accounts to anybody."""
    unknown = world.client.ask(NOBODY, "GET", f"/hx-{secrets.token_hex(6)}")
    asked = (_door(world, place, sign, unknown) for place, sign in _doors(world))
    holes = [hole for hole in asked if hole is not None]
    for hole in _described_doors(world):
        if all(each.operation != hole.operation for each in holes):
            holes.append(hole)
    return holes


def _doors(world: World) -> Iterator[tuple[str, re.Pattern[str] | None]]:
    described = {each.operation.path.rstrip("/") for each in world.operations}
    for base, (path, sign) in product(_bases(world), _DOORS):
        if f"{base}{path}".rstrip("/") not in described:
            yield f"{base}{path}", sign


def _door(world: World, place: str, sign: re.Pattern[str] | None, unknown: Exchange) -> Hole | None:
    seen = world.client.ask(NOBODY, "GET", place)
    if not succeeded(seen) or seen.text == unknown.text or not seen.size:
        return None
    what = _behind(world, place, seen, sign)
    says = f"answered {seen.status} to {NOBODY.name} with {what}; no document describes it"
    return Hole(operation=f"GET {place}", says=says, proof=(seen,)) if what else None


def _described_doors(world: World) -> Iterator[Hole]:
    for (operation, asker), answer in world.answers.items():
        found = _SETTINGS.search(answer.text) if succeeded(answer) else None
        if found is not None and json_of(answer) is not None:
            what = re.split(r"[:=]", found[0])[0].strip("\"' \n")
            yield Hole(operation=operation, says=f"shows settings of the service ({what}) to {asker}", proof=(answer,))


def _behind(world: World, place: str, seen: Exchange, sign: re.Pattern[str] | None) -> str:
    if sign is not None:
        return "what only those who run the service should see" if sign.search(seen.text) else ""
    if _SETTINGS.search(seen.text):
        return "settings of the service"
    names = {each.username for each in world.accounts} - {""}
    if any(value in names for _, value, _ in members(json_of(seen))):
        return "its accounts"
    if any(map(_PASSWORD.search, _member_names(seen))):
        return "passwords"
    is_inside = re.search(r"admin|internal|debug|dump|backup|export|trace|logs", place) is not None
    return "data under a name that is for those who run the service" if is_inside and tells_anything(seen) else ""


def _bases(world: World) -> list[str]:
    """Where the API may begin: at the root, and at the first words of its paths."""
    found = {""}
    for each in world.operations:
        parts = each.operation.path.split("/")
        for count in (2, 3):
            base = "/".join(parts[:count])
            if re.fullmatch(r"(?:/(?:api|rest|v\d+))+", base):
                found.add(base)
    return sorted(found)


@lazily
def old_versions(world: World) -> list[Hole]:
    """Reads that refuse somebody, and not under another version's path: nobody, or who asks for another's thing."""
    tried = 0
    for described in world.reads():
        asking = list(_refused(world, described)) if tried < _MOST_READS else []
        tried += bool(asking)
        for path in versions(described.operation.path) if asking else ():
            if world.operation(f"GET {path}") is not None:
                continue
            for each in asking:
                other = replace(each.draft, operation=replace(each.draft.operation, path=path))
                seen = world.client.tried(each.account, other)
                if each.is_given_by(seen):
                    who = each.account.name
                    says = (
                        f"answered {seen.status} to {who} with what {described.name} refuses; no document describes it"
                    )
                    return [Hole(operation=f"GET {path}", says=says, parameter="version", proof=(seen,))]
    return []


def _refused(world: World, described: Described) -> Iterator[RefusedRead]:
    """A read as it refuses who is not the first account that it lets in."""
    for owner in world.accounts[:2]:
        draft = world.drafts.get((described.name, owner.name))
        own = world.client.tried(owner, draft) if draft is not None else None
        if draft is not None and succeeded(own):
            yield from _refusals(world, draft, owner, own)
            return


def _refusals(world: World, draft: RequestDraft, owner: ApiAccount, own: Exchange) -> Iterator[RefusedRead]:
    for asking in filter(None, (NOBODY, world.peer(owner))):
        seen = world.client.tried(asking, draft)
        texts = shown(world.facts.only_of(owner.name, {asking.name}), own)
        if seen is not None and seen.status in (401, 403, 404) and (asking.is_nobody or texts):
            is_it = holding(texts) if texts else partial(same_members, other=own)
            yield RefusedRead(draft=draft, account=asking, status=seen.status, is_it=is_it)


def tells_anything(answer: Exchange) -> bool:
    """Is it JSON with something in it?"""
    body = json_of(answer)
    return isinstance(body, dict | list) and bool(body)


def same_members(one: Exchange, other: Exchange) -> bool:
    """Have two answers half of the members of the second one, at least?"""
    first, second = map(_member_names, (one, other))
    return bool(first) and len(first & second) >= max(1, len(second) // 2)


def _member_names(seen: Exchange) -> set[str]:
    return {plain_name(key) for each in objects(json_of(seen)) for key in each}
