"""Object level: what one account can read or change of another.

Whose a thing is, is known by evidence: a text that one account was shown and no other one was, or a member that names
the account. Things that listings show to everybody are nobody's alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.probes.api_accounts import let_in
from harness.probes.api_facts import Fact
from harness.probes.api_inputs import MARK, leaves, objects, plain_name
from harness.probes.api_request import NOBODY, ApiAccount, Hole, Place, RequestDraft, json_of, succeeded
from harness.probes.api_world import Described, World
from harness.probes.exchange import Exchange

_PRIVATE = re.compile(
    r"secret|e?mail|phone|mobile|address|balance|salary|iban|card|ssn|birth|dob|passport|medical|diagnos|private|invoice"
)
_PASSWORD = re.compile(r"passw(?:or)?d|pwd", re.IGNORECASE)
_OWNER = re.compile(r"owner|user|author|creator|createdby|account|customer|member|username|email")
_NAME = re.compile(r"(?:user)?name|login|e?mail|user|account")
_IDENTITY_HEADERS = ("X-User-Id", "X-User", "X-Username", "X-User-Email", "X-Forwarded-User", "X-Remote-User")
_MOST_VALUES = 4


@dataclass(frozen=True, slots=True)
class _Theft:
    """A value of the victim, put into the thief's own request at a place."""

    described: Described
    draft: RequestDraft
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
        if any(_PASSWORD.search(place.name) for place, _ in theft.draft.places()):
            # one's password is tried on an account that is not needed any more
            continue
        if theft.described.operation.method == "POST" and theft.place.where == "body":
            hole = _in_the_name_of(world, theft, victim, thief)
        else:
            hole = _change(world, theft, victim, thief)
        if hole is not None:
            told.add(theft.described.name)
            yield hole
    yield from _taken_over(world, thief)


def _taken_over(world: World, thief: ApiAccount) -> Iterator[Hole]:
    """Passwords of others, set by naming them: the new one then logs in. Tried on an account of ours alone."""
    if not thief.ours:
        return
    for described in world.operations:
        body = described.inputs.body
        if described.operation.method not in ("PUT", "PATCH", "POST") or body is None:
            continue
        own = world.draft(described, thief)
        named = [place for place, _ in own.places() if _PASSWORD.search(place.name)] if own is not None else []
        naming = [place for place, value in own.places() if value == thief.username] if own is not None else []
        if own is None or not named or not naming or re.search(r"log_?in|sign_?in|register", described.operation.path):
            continue
        other = world.login.register("a third user")
        password = f"Hx-{secrets.token_hex(8)}7a!"
        draft = own
        for place in naming:
            draft = draft.put(place, other.username)
        for place in named:
            draft = draft.put(place, password)
        answer = world.client.tried(thief, draft)
        entered = let_in(world.login.attempt(other.username, password), world.target.auth.token)
        if succeeded(answer) and answer is not None and any(entered):
            says = f"let {thief.name} set the password of another account, named in {naming[0]}: it logs in"
            yield Hole(operation=described.name, parameter=str(naming[0]), says=says, proof=(answer,))


def _in_the_name_of(world: World, theft: _Theft, victim: ApiAccount, thief: ApiAccount) -> Hole | None:
    """Things made by one account as if another one had made them: the other one finds it among its own."""
    listing = world.operation(f"GET {theft.described.operation.path}")
    reader = world.drafts.get((listing.name, victim.name)) if listing is not None else None
    if reader is None or theft.fact.value not in names_of(world, victim):
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    answer = world.client.tried(thief, _marked(theft.draft, theft.place, mark))
    after = world.client.tried(victim, reader) if succeeded(answer) else None
    made = [each for each in objects(json_of(after)) if {mark, theft.fact.value} <= _plain_values(each)]
    if not made or answer is None or after is None:
        return None
    says = f"let {thief.name} make a thing in the name of {victim.name}, by {theft.fact.value!r} in {theft.place}"
    return Hole(operation=theft.described.name, parameter=str(theft.place), says=says, proof=(answer, after))


def _plain_values(thing: Mapping[str, Any]) -> set[object]:
    return {value for value in thing.values() if isinstance(value, str | int)}


def _thefts(world: World, victim: ApiAccount, thief: ApiAccount, methods: tuple[str, ...]) -> Iterator[_Theft]:
    for described in world.operations:
        if described.operation.method not in methods or described.is_disruptive:
            continue
        own = world.drafts.get((described.name, thief.name)) or world.draft(described, thief)
        if own is not None:
            yield from _by_names(world, described, own, victim)
            yield from _by_facts(world, described, own, victim, thief)


def _by_names(world: World, described: Described, own: RequestDraft, victim: ApiAccount) -> Iterator[_Theft]:
    """Whatever takes a text may take an account's name."""
    for place in _text_places(described, own):
        for name in names_of(world, victim):
            if isinstance(name, str) and own.value(place) != name:
                fact = Fact("username", name, described.name, "", victim.name, is_new=False)
                yield _Theft(described, own.put(place, name), place, fact, known_to_thief=False)


def _by_facts(
    world: World, described: Described, own: RequestDraft, victim: ApiAccount, thief: ApiAccount
) -> Iterator[_Theft]:
    """What the victim was given goes where an operation asks for it."""
    for place in _naming_places(described, own):
        found = world.facts.candidates(place.name, described.operation.path, victim.name)
        values = {each.value: each for each in found if each.value != own.value(place)}
        for fact in list(values.values())[:_MOST_VALUES]:
            seen = world.facts.has_seen(thief.name, fact)
            yield _Theft(described, own.put(place, fact.value), place, fact, known_to_thief=seen)


def _naming_places(described: Described, draft: RequestDraft) -> list[Place]:
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


def _text_places(described: Described, draft: RequestDraft) -> list[Place]:
    """Parameters of a read that are no names of objects by their own name."""
    naming = set(_naming_places(described, draft))
    places = [
        Place(each.where, (each.name,))
        for each in described.inputs.parameters
        if each.where in ("query", "header", "cookie") and each.schema.get("type", "string") == "string"
    ]
    return [each for each in places if each not in naming] if described.operation.method == "GET" else []


def names_of(world: World, account: ApiAccount) -> frozenset[str | int]:
    """By what an account is called: its user name, and ids beside it."""
    found: set[str | int] = {account.username}
    for (_, name), answer in world.answers.items():
        if name != account.name:
            continue
        for each in objects(json_of(answer)):
            if any(value == account.username and _NAME.fullmatch(plain_name(key)) for key, value in each.items()):
                found |= {
                    value
                    for key, value in each.items()
                    if isinstance(value, str | int)
                    and not isinstance(value, bool)
                    and plain_name(key) in ("id", "uuid", "userid", "username", "email", "accountid", "login")
                }
    return frozenset(found)


def _private_parts(world: World, answer: Exchange, theft: _Theft, victim: ApiAccount, thief: ApiAccount) -> str:
    """What an answer holds that is the victim's alone, in words; "" for nothing."""
    sent = " ".join(str(value) for _, value in theft.draft.places())
    body = answer.text
    others = [each.name for each in world.accounts if each.role == victim.role and each is not victim] + [NOBODY.name]
    only = {
        each for each in world.facts.only_of(victim.name, {thief.name, *others}) if each in body and each not in sent
    }
    if not theft.known_to_thief and only:
        return repr(min(only, key=lambda each: (not each.startswith(MARK), len(each), each)))
    # it is shown in a listing: then only what is private by its name counts, of a thing that names its owner
    names = names_of(world, victim)
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


def _stays(world: World, theft: _Theft, thief: ApiAccount, shown: str) -> bool:
    """Is it so again, and is it the value that does it: not with one that names nothing?"""
    again = world.client.tried(thief, theft.draft)
    other: object = f"{MARK}{secrets.token_hex(6)}" if isinstance(theft.fact.value, str) else 987_654_321
    control = world.client.tried(thief, theft.draft.put(theft.place, other))
    text = shown.rpartition(" ")[2].strip("'\"")
    return again is not None and text in again.text and (control is None or text not in control.text)


def _change(world: World, theft: _Theft, victim: ApiAccount, thief: ApiAccount) -> Hole | None:
    described, place = theft.described, theft.place
    is_removal = described.operation.method == "DELETE"
    fact = world.fresh(theft.fact, victim) if is_removal else theft.fact
    reader = _reader_of(world, described, fact, victim) if fact is not None else None
    if fact is None or reader is None:
        return None
    before = world.client.tried(victim, reader)
    if not succeeded(before) or before is None or not _is_owned(world, theft, before, victim):
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    draft = theft.draft.put(place, fact.value)
    draft = draft if is_removal else _marked(draft, place, mark)
    answer = world.client.tried(thief, draft)
    after = world.client.tried(victim, reader) if succeeded(answer) else None
    if answer is None or after is None:
        return None
    effect = (
        _removed(before, after, fact, victim) if is_removal else _changed(world, before, after, mark, victim, reader)
    )
    if not effect or (not is_removal and succeeded(world.client.tried(NOBODY, draft))):
        # what is open to everybody is another finding
        return None
    return Hole(
        operation=described.name,
        parameter=str(place),
        says=f"let {thief.name} change what is {victim.name}'s, named by {fact.value!r} in {place}: {effect}",
        proof=(answer, after),
    )


def _marked(draft: RequestDraft, place: Place, mark: str) -> RequestDraft:
    """The request with a mark for each free text of its body."""
    for each, value in list(draft.places()):
        is_free = isinstance(value, str) and value.startswith(MARK) and "@" not in value
        if each.where == "body" and each != place and is_free:
            draft = draft.put(each, mark)
    return draft


def _removed(before: Exchange, after: Exchange, fact: Fact, victim: ApiAccount) -> str:
    is_gone = after.status in (404, 410) or _lost(before, after, fact)
    return f"it was there for {victim.name} before, and is gone" if str(fact.value) in before.text and is_gone else ""


def _changed(
    world: World, before: Exchange, after: Exchange, mark: str, victim: ApiAccount, reader: RequestDraft
) -> str:
    if mark in after.text and mark not in before.text:
        return f"{victim.name} then reads {mark!r} in it"
    if _differs(before, after) and not _differs(after, world.client.tried(victim, reader)):
        return f"{victim.name} reads something else in it than before"
    return ""


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


def _reader_of(world: World, described: Described, fact: Fact, victim: ApiAccount) -> RequestDraft | None:
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


def _is_owned(world: World, theft: _Theft, answer: Exchange, victim: ApiAccount) -> bool:
    """Is the thing the victim's: not to be seen by the thief in any listing, or with a member that names its owner?"""
    names = names_of(world, victim)
    if not theft.known_to_thief and not world.facts.has_seen(NOBODY.name, theft.fact):
        return True
    return any(
        value in names and _OWNER.search(plain_name(key))
        for each in objects(json_of(answer))
        for key, value in each.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    )


def _by_headers(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """Headers that name somebody, which no description mentions: the service must not believe them."""
    others = {each.name for each in world.accounts if each is not victim} | {NOBODY.name}
    only = world.facts.only_of(victim.name, others)
    names = [each for each in names_of(world, victim) if str(each).isascii()]
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
                    if seen is None or not succeeded(seen):
                        continue
                    shown = [each for each in own if each in seen.text]
                    # what it is shown without the header too (another probe may have sent it) proves nothing
                    plain = world.client.tried(account, draft) if shown else None
                    shown = [each for each in shown if plain is None or each not in plain.text]
                    if shown:
                        says = (
                            f"believed {account.name} who sent a header {header}: it got {victim.name}'s {shown[0]!r}"
                        )
                        yield Hole(
                            operation=described.name,
                            parameter=f"header {header}",
                            says=says,
                            proof=(seen,),
                        )
                        return
        return
