"""Object level and function level: what one account can read or change of another, and what nobody gave it to do.

Whose a thing is, is known by evidence: a text that one account was shown and no other one was, or a member that names
the account. Things that listings show to everybody are nobody's alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from harness.probes.api_accounts import is_privileged
from harness.probes.api_facts import Fact
from harness.probes.api_inputs import MARK, leaves, objects, plain_name
from harness.probes.api_request import NOBODY, Account, Draft, Hole, Place, json_of, succeeded
from harness.probes.api_world import Described, World
from harness.probes.exchange import Exchange

_PRIVATE = re.compile(
    r"secret|e?mail|phone|mobile|address|balance|salary|iban|card|ssn|birth|dob|passport|medical|diagnos|private|invoice"
)
_REFUSED = (401, 403)
_OWNER = re.compile(r"owner|user|author|creator|createdby|account|customer|member|username|email")
_IDENTITY_HEADERS = ("X-User-Id", "X-User", "X-Username", "X-User-Email", "X-Forwarded-User", "X-Remote-User")
_BYPASSES = (
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Original-URL": "{path}"},
    {"X-Rewrite-URL": "{path}"},
    {"X-Role": "admin"},
    {"X-User-Role": "admin"},
    {"X-Admin": "true"},
    {"X-Is-Admin": "true"},
    {"X-Internal": "true"},
    {"X-Custom-IP-Authorization": "127.0.0.1"},
)
_MOST_VALUES = 4


@dataclass(frozen=True, slots=True)
class _Theft:
    """A value of the victim, put into the thief's own request at a place."""

    described: Described
    draft: Draft
    place: Place
    fact: Fact
    known_to_thief: bool


def objects_read(world: World) -> Iterator[Hole]:
    """Reads by which one account gets what is another's."""
    if (pair := world.pair) is None:
        return
    victim, thief = pair
    told: set[str] = set()
    for theft in _thefts(world, victim, thief, ("GET", "POST", "QUERY")):
        if theft.described.name in told:
            continue
        answer = world.client.tried(thief, theft.draft)
        if not succeeded(answer) or answer is None:
            continue
        shown = _private_parts(world, answer, theft, victim, thief)
        if not shown or (theft.described.operation.method == "POST" and not _is_read(answer, theft)):
            continue
        if _is_open_to_all(world, theft) or not _stays(world, theft, thief, shown):
            continue
        told.add(theft.described.name)
        yield Hole(
            operation=theft.described.name,
            parameter=str(theft.place),
            says=(
                f"gave {thief.name} what is {victim.name}'s: with {theft.fact.value!r} for {theft.place} the answer"
                f" {answer.status} holds {shown}"
            ),
            proof=(answer,),
        )
    yield from _by_headers(world, victim, thief)


def objects_changed(world: World) -> Iterator[Hole]:
    """Writes by which one account changes or removes what is another's; seen by reading it as its owner."""
    if (pair := world.pair) is None:
        return
    victim, thief = pair
    told: set[str] = set()
    for theft in _thefts(world, victim, thief, ("PUT", "PATCH", "DELETE", "POST")):
        if theft.described.name in told or theft.described.is_disruptive or theft.place.where == "header":
            continue
        hole = _change(world, theft, victim, thief)
        if hole is not None:
            told.add(theft.described.name)
            yield hole


def _thefts(world: World, victim: Account, thief: Account, methods: tuple[str, ...]) -> Iterator[_Theft]:
    for described in world.operations:
        if described.operation.method not in methods or described.is_disruptive:
            continue
        own = world.drafts.get((described.name, thief.name)) or world.draft(described, thief)
        if own is None:
            continue
        for place in _text_places(described, own):
            # whatever takes a text may take an account's name
            for name in _names_of(world, victim):
                if isinstance(name, str) and own.value(place) != name:
                    fact = Fact("username", name, described.name, "", victim.name, is_new=False)
                    yield _Theft(described, own.put(place, name), place, fact, known_to_thief=False)
        for place in _naming_places(described, own):
            found = list(world.facts.candidates(place.name, described.operation.path, victim.name))
            tried = 0
            for fact in {each.value: each for each in reversed(found)}.values():
                if own.value(place) == fact.value or tried >= _MOST_VALUES:
                    continue
                seen = world.facts.has_seen(thief.name, fact)
                if seen and not _is_own_name(world, fact, victim):
                    draft = own.put(place, fact.value)
                    yield _Theft(described, draft, place, fact, known_to_thief=True)
                else:
                    yield _Theft(described, own.put(place, fact.value), place, fact, known_to_thief=seen)
                tried += 1


def _naming_places(described: Described, draft: Draft) -> list[Place]:
    places = [place for place, _ in draft.places()]
    places += [
        Place(each.where, (each.name,))
        for each in described.inputs.parameters
        if each.where in ("query", "header", "cookie") and Place(each.where, (each.name,)) not in places
    ]
    naming = re.compile(r"(id|uuid|guid|slug|key|ref|number|user|username|owner|account|email|customer|member|code)$")
    return [
        place
        for place in places
        if place.where == "path" or naming.search(plain_name(place.name)) or _OWNER.fullmatch(plain_name(place.name))
    ]


def _text_places(described: Described, draft: Draft) -> list[Place]:
    """Parameters of a read that are no names of objects by their own name."""
    naming = set(_naming_places(described, draft))
    places = [
        Place(each.where, (each.name,))
        for each in described.inputs.parameters
        if each.where in ("query", "header", "cookie") and each.schema.get("type", "string") == "string"
    ]
    return [each for each in places if each not in naming] if described.operation.method == "GET" else []


def _is_own_name(world: World, fact: Fact, account: Account) -> bool:
    return fact.value == account.username or fact.value in _names_of(world, account)


def _names_of(world: World, account: Account) -> frozenset[str | int]:
    """By what an account is called: its user name, and ids beside it."""
    found: set[str | int] = {account.username}
    for (_, name), answer in world.answers.items():
        if name != account.name:
            continue
        for each in objects(json_of(answer)):
            if account.username in each.values():
                found |= {
                    value
                    for key, value in each.items()
                    if isinstance(value, str | int)
                    and not isinstance(value, bool)
                    and plain_name(key) in ("id", "uuid", "userid", "username", "email", "accountid", "login")
                }
    return frozenset(found)


def _private_parts(world: World, answer: Exchange, theft: _Theft, victim: Account, thief: Account) -> str:
    """What an answer holds that is the victim's alone, in words; "" for nothing."""
    sent = f"{theft.draft.target} {theft.draft.body}"
    body = answer.text
    others = [each.name for each in world.accounts if each.role == victim.role and each is not victim] + [NOBODY.name]
    only = {
        each for each in world.facts.only_of(victim.name, {thief.name, *others}) if each in body and each not in sent
    }
    if not theft.known_to_thief and only:
        return repr(min(only, key=lambda each: (not each.startswith(MARK), len(each), each)))
    # it is shown in a listing: then only what is private by its name counts, of a thing that names its owner
    names = _names_of(world, victim)
    for each in objects(json_of(answer)):
        owned = any(value in names for key, value in each.items() if not isinstance(value, dict | list | bool | float))
        for key, value in each.items():
            if owned and _PRIVATE.search(plain_name(key)) and isinstance(value, str) and value in only:
                return f"{key!r} {value!r}"
    return ""


def _is_read(answer: Exchange, theft: _Theft) -> bool:
    """Does a POST show what was there before it, and does not make a new thing?"""
    made = json_of(answer)
    return not (isinstance(made, dict) and theft.place.where == "body" and answer.status == 201)


def _is_open_to_all(world: World, theft: _Theft) -> bool:
    """Does anybody get it without a login? Then it is no matter of whose it is."""
    return succeeded(world.client.tried(NOBODY, theft.draft))


def _stays(world: World, theft: _Theft, thief: Account, shown: str) -> bool:
    """Is it so again, and is it the value that does it: not with one that names nothing?"""
    again = world.client.tried(thief, theft.draft)
    other: object = f"{MARK}{secrets.token_hex(6)}" if isinstance(theft.fact.value, str) else 987_654_321
    control = world.client.tried(thief, theft.draft.put(theft.place, other))
    text = shown.rpartition(" ")[2].strip("'\"")
    return again is not None and text in again.text and (control is None or text not in control.text)


def _change(world: World, theft: _Theft, victim: Account, thief: Account) -> Hole | None:
    described, place = theft.described, theft.place
    is_removal = described.operation.method == "DELETE"
    fact = theft.fact
    if is_removal:
        made = world.fresh(fact, victim)
        if made is None:
            return None
        fact = made
    reader = _reader_of(world, described, fact, victim)
    if reader is None:
        return None
    before = world.client.tried(victim, reader)
    if not succeeded(before) or before is None or not _is_owned(world, theft, before, victim, thief):
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    draft = theft.draft.put(place, fact.value)
    if not is_removal:
        texts = [
            each
            for each, value in draft.places()
            if each.where == "body"
            and isinstance(value, str)
            and each != place
            and value.startswith(MARK)
            and "@" not in value
        ]
        for each in texts:
            draft = draft.put(each, mark)
    answer = world.client.tried(thief, draft)
    if not succeeded(answer) or answer is None:
        return None
    after = world.client.tried(victim, reader)
    if after is None:
        return None
    if is_removal and str(fact.value) in before.text and (after.status in (404, 410) or _lost(before, after, fact)):
        effect = f"it was there for {victim.name} before, and is gone"
    elif not is_removal and mark in after.text and mark not in before.text:
        effect = f"{victim.name} then reads {mark!r} in it"
    elif not is_removal and _differs(before, after) and not _differs(after, world.client.tried(victim, reader)):
        effect = f"{victim.name} reads something else in it than before"
    else:
        return None
    if succeeded(world.client.tried(NOBODY, reader)) and _nobody_may_too(world, draft, is_removal=is_removal):
        return None
    return Hole(
        operation=described.name,
        parameter=str(place),
        says=f"let {thief.name} change what is {victim.name}'s, named by {fact.value!r} in {place}: {effect}",
        proof=(answer, after),
    )


def _nobody_may_too(world: World, draft: Draft, *, is_removal: bool) -> bool:
    """Is the write open to everybody? That is another finding."""
    if is_removal:
        return False
    return succeeded(world.client.tried(NOBODY, draft))


def _lost(before: Exchange, after: Exchange, fact: Fact) -> bool:
    """Is a value among the members of the first answer, and not of the second?"""
    was = {value for _, value in leaves(json_of(before))}
    return succeeded(after) and fact.value in was and fact.value not in {value for _, value in leaves(json_of(after))}


def _differs(one: Exchange, other: Exchange | None) -> bool:
    if other is None or not succeeded(other):
        return False
    moving = re.compile(r"time|date|updated|seen|last|views|count|version|etag|requestid")
    first, second = (
        {way: value for way, value in leaves(json_of(each)) if not moving.search(plain_name(str(way[-1:])))}
        for each in (one, other)
    )
    return first != second


def _reader_of(world: World, described: Described, fact: Fact, victim: Account) -> Draft | None:
    """A read by which the owner sees the thing: of the same path, of one below or above it, else a listing."""
    path = described.operation.path
    for each in world.reads():
        own = each.operation.path
        if (
            own == path
            or (path.startswith(f"{own}/") and "{" in own)
            or (own.startswith(f"{path}/") and "{" not in own)
        ):
            draft = world.draft(each, victim)
            name = next((name for name in re.findall(r"\{([^/{}]+)\}", own)), "")
            if draft is not None and name:
                return draft.put(Place("path", (name,)), fact.value)
    for each in world.reads():
        answer = world.answers.get((each.name, victim.name))
        if succeeded(answer) and fact.value in {value for _, value in leaves(json_of(answer))}:
            return world.drafts.get((each.name, victim.name))
    listing = next((each for each in world.reads() if path.startswith(f"{each.operation.path}/")), None)
    return world.drafts.get((listing.name, victim.name)) if listing is not None else None


def _is_owned(world: World, theft: _Theft, answer: Exchange, victim: Account, thief: Account) -> bool:
    """Is the thing the victim's: not to be seen by the thief in any listing, or with a member that names its owner?"""
    names = _names_of(world, victim)
    if not theft.known_to_thief and not world.facts.has_seen(NOBODY.name, theft.fact):
        return True
    return any(
        value in names and _OWNER.search(plain_name(key))
        for each in objects(json_of(answer))
        for key, value in each.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    )


def _by_headers(world: World, victim: Account, thief: Account) -> Iterator[Hole]:
    """Headers that name somebody, which no description mentions: the service must not believe them."""
    others = {each.name for each in world.accounts if each is not victim} | {NOBODY.name}
    only = world.facts.only_of(victim.name, others)
    names = [each for each in _names_of(world, victim) if str(each).isascii()]
    for described in world.reads():
        answer = world.answers.get((described.name, victim.name))
        draft = world.drafts.get((described.name, victim.name))
        if draft is None or draft.path or not succeeded(answer) or answer is None:
            continue
        own = {each for each in only if each in answer.text}
        if not own:
            continue
        for name in names[:3]:
            for header in _IDENTITY_HEADERS:
                for account in (thief, NOBODY):
                    seen = world.client.tried(account, draft, headers={header: str(name)})
                    if succeeded(seen) and seen is not None and (shown := [each for each in own if each in seen.text]):
                        yield Hole(
                            operation=described.name,
                            parameter=f"header {header}",
                            says=f"believed a header: {account.name} sent {header} and got {victim.name}'s {shown[0]!r}",
                            proof=(seen,),
                        )
                        return
        return


def functions_open(world: World) -> Iterator[Hole]:
    """Operations that are meant for those who run the service, and that others may call."""
    lowly = [NOBODY, *[each for each in world.accounts if not is_privileged(each.role)][:1]]
    for described in world.operations:
        if not described.is_for_admins or described.is_disruptive:
            continue
        for account in lowly:
            answer = world.answers.get((described.name, account.name)) or world.do(described, account)
            if succeeded(answer) and answer is not None and answer.size > 0 and _does_something(answer):
                who = "nobody in particular" if account.is_nobody else "an account without that role"
                says = f"is for those who run the service by its name, and answered {answer.status} to {who}"
                yield Hole(operation=described.name, says=says, proof=(answer,))
                break
        else:
            yield from _bypassed(world, described, lowly)


def _does_something(answer: Exchange) -> bool:
    kind = (answer.header("Content-Type") or "").lower()
    return "html" not in kind or "password" not in answer.text.lower()


def _bypassed(world: World, described: Described, lowly: list[Account]) -> list[Hole]:
    """Ways round a refusal: headers that a proxy may set, and other spellings of the path."""
    if described.operation.method != "GET":
        return []
    account = lowly[-1]
    refused = world.answers.get((described.name, account.name))
    draft = world.draft(described, account)
    if refused is None or refused.status not in _REFUSED or draft is None:
        return []
    path = draft.target.partition("?")[0]
    tries = [(path, {key: text.format(path=path) for key, text in each.items()}) for each in _BYPASSES]
    tries += [
        (spelled, {})
        for spelled in (f"{path}/", f"{path}/.", f"/{path}", f"{path}.json", f"{path}%20", _shouted(path), f"{path};x")
    ]
    for spelled, headers in tries:
        where = "/" if any("URL" in key for key in headers) else spelled
        answer = world.client.ask(account, "GET", where, headers=headers)
        plain = world.client.ask(account, "GET", where) if headers else refused
        unknown = world.client.ask(account, "GET", f"{spelled}-{secrets.token_hex(4)}", headers=headers)
        if succeeded(answer) and not succeeded(plain) and not succeeded(unknown) and json_of(answer) is not None:
            what = f"header {next(iter(headers.items()))}" if headers else f"path {spelled}"
            return [
                Hole(
                    operation=described.name,
                    parameter=what if not headers else f"header {next(iter(headers))}",
                    says=f"refuses {account.name} with {refused.status}, and not where the request has the {what}",
                    proof=(answer,),
                )
            ]
    return []


def _shouted(path: str) -> str:
    head, _, last = path.rpartition("/")
    return f"{head}/{last.upper()}"


def logins_missing(world: World) -> Iterator[Hole]:
    """Operations described as behind a login, which answer without one as they answer an account."""
    for described in world.operations:
        if not described.operation.needs_login or described.is_disruptive or described.is_for_admins:
            continue
        draft = next(
            (
                world.drafts[described.name, each.name]
                for each in world.accounts
                if (described.name, each.name) in world.drafts
            ),
            None,
        )
        if draft is None or described.operation.method == "DELETE":
            continue
        answer = world.client.tried(NOBODY, draft)
        if succeeded(answer) and answer is not None and answer.size > 0:
            says = f"is described as behind a login, and answered {answer.status} without one"
            yield Hole(operation=described.name, says=says, proof=(answer,))
