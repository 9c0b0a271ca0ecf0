"""Object level, writes: what one account changes, removes or makes of another's; seen by reading it as its owner."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from harness.probes.api.accounts import let_in
from harness.probes.api.detours import methods
from harness.probes.api.facts import Fact
from harness.probes.api.inputs import MARK, leaves, objects, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, Place, RequestDraft, json_of, succeeded
from harness.probes.api.thefts import OWNER, Theft, names_of, naming, reader_of, thefts
from harness.probes.api.world import World
from harness.probes.exchange import Exchange

_PASSWORD = re.compile(r"passw(?:or)?d|pwd", re.IGNORECASE)
_MOST_DETOURS = 3


def objects_changed(world: World) -> Iterator[Hole]:
    """Writes by which one account changes or removes what is another's; seen by reading it as its owner."""
    if (pair := world.pair) is None:
        return
    victim, thief = pair
    told: set[str] = set()
    for theft in thefts(world, victim, thief, ("PUT", "PATCH", "DELETE", "POST")):
        if theft.described.name in told or theft.described.is_disruptive or theft.place.where == "header":
            continue
        if any(_PASSWORD.search(place.name) for place, _ in theft.draft.places()):
            # one's password is tried on an account that is not needed any more
            continue
        is_in_body = theft.described.operation.method == "POST" and theft.place.where == "body"
        if is_in_body and not theft.described.is_removal:
            hole = _in_the_name_of(world, theft, victim, thief) or _put_into(world, theft, victim, thief)
        else:
            hole = _change(world, theft, victim, thief)
        if hole is not None:
            told.add(theft.described.name)
            yield hole
    yield from _taken_over(world, thief)
    yield from _removed_by_detours(world, victim, thief)


def _put_into(world: World, theft: Theft, victim: ApiAccount, thief: ApiAccount) -> Hole | None:
    """Things made by one account inside of what is another's, named by a member of the body."""
    reader = _reader_of_whole(world, theft.fact, victim)
    before = world.client.tried(victim, reader) if reader is not None else None
    if reader is None or not succeeded(before) or before is None or not _is_owned(world, theft, before, victim):
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    answer = world.client.tried(thief, marked(theft.draft, theft.place, mark))
    after = world.client.tried(victim, reader) if succeeded(answer) else None
    if answer is None or after is None or mark not in after.text:
        return None
    says = f"let {thief.name} put a thing into what is {victim.name}'s, by {theft.fact.value!r} in {theft.place.told}"
    return Hole(operation=theft.described.name, parameter=str(theft.place), says=says, proof=(answer, after))


def _reader_of_whole(world: World, fact: Fact, victim: ApiAccount) -> RequestDraft | None:
    """The read of one thing whose parameter the fact fills."""
    for described in world.reads():
        names = re.findall(r"\{([^/{}]+)\}", described.operation.path)
        found = world.facts.candidates(names[0], described.operation.path, victim.name) if len(names) == 1 else ()
        if any(each.value == fact.value for each in found):
            draft = world.draft(described, victim)
            return draft.put(Place("path", (names[0],)), fact.value) if draft is not None else None
    return None


def _removed_by_detours(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """What is the victim's, removed by a request that names its method beside itself."""
    tried = 0
    for described in world.reads():
        names = re.findall(r"\{([^/{}]+)\}", described.operation.path)
        mine = next(world.facts.candidates(names[-1], described.operation.path, victim.name), None) if names else None
        fact = world.fresh(mine, victim) if mine is not None and tried < _MOST_DETOURS else None
        draft = world.draft(described, victim)
        if fact is None or draft is None:
            continue
        draft = draft.put(Place("path", (names[-1],)), fact.value)
        before = world.client.tried(victim, draft)
        direct = world.client.heard(thief, "DELETE", draft.target)
        if before is None or not succeeded(before):
            continue
        tried += 1
        now = world.client.tried(victim, draft)
        if direct is not None and now is not None and _removed(before, now, fact, victim):
            if succeeded(direct) and world.operation(f"DELETE {described.operation.path}") is None:
                says = f"lets {thief.name} remove what is {victim.name}'s by DELETE, which the document does not have"
                yield Hole(operation=described.name, parameter="method DELETE", says=says, proof=(direct, now))
            continue
        for way in methods("DELETE", draft.target):
            answer = way.ask(world, thief)
            after = world.client.tried(victim, draft) if succeeded(answer) else None
            if answer is None or after is None or not _removed(before, after, fact, victim):
                continue
            status = direct.status if direct is not None else "nothing"
            says = f"refuses {thief.name} a DELETE with {status}, and removes what is {victim.name}'s by {way.told}"
            yield Hole(operation=described.name, parameter=way.kind, says=says, proof=(answer, after))
            return


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
            says = f"let {thief.name} set the password of another account, named in {naming[0].told}: it logs in"
            yield Hole(operation=described.name, parameter=str(naming[0]), says=says, proof=(answer,))


def _in_the_name_of(world: World, theft: Theft, victim: ApiAccount, thief: ApiAccount) -> Hole | None:
    """Things made by one account as if another one had made them: the other one finds it among its own."""
    listing = world.operation(f"GET {theft.described.operation.path}")
    reader = world.drafts.get((listing.name, victim.name)) if listing is not None else None
    if reader is None or theft.fact.value not in names_of(world, victim):
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    answer = world.client.tried(thief, marked(theft.draft, theft.place, mark))
    after = world.client.tried(victim, reader) if succeeded(answer) else None
    made = [each for each in objects(json_of(after)) if {mark, theft.fact.value} <= _plain_values(each)]
    if not made or answer is None or after is None:
        return None
    says = f"let {thief.name} make a thing in the name of {victim.name}, by {theft.fact.value!r} in {theft.place.told}"
    return Hole(operation=theft.described.name, parameter=str(theft.place), says=says, proof=(answer, after))


def _plain_values(thing: Mapping[str, Any]) -> set[object]:
    return {value for value in thing.values() if isinstance(value, str | int)}


def _change(world: World, theft: Theft, victim: ApiAccount, thief: ApiAccount) -> Hole | None:
    described, place = theft.described, theft.place
    is_removal = described.is_removal
    fact = world.fresh(theft.fact, victim) if is_removal else theft.fact
    reader = reader_of(world, described, fact, victim) if fact is not None else None
    if fact is None or reader is None:
        return None
    before = world.client.tried(victim, reader)
    if not succeeded(before) or before is None or not _is_owned(world, theft, before, victim):
        return None
    if described.operation.method == "POST" and succeeded(world.client.tried(NOBODY, reader)):
        # a review or a comment more is what a thing that everybody reads is there for
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    draft = theft.draft.put(place, fact.value)
    draft = draft if is_removal else naming(marked(draft, place, mark), thief)
    answer = world.client.tried(thief, draft)
    after = world.client.tried(victim, reader) if succeeded(answer) else None
    if answer is None or after is None:
        return None
    effect = (
        _removed(before, after, fact, victim) if is_removal else _changed(world, before, after, mark, victim, reader)
    )
    nobody = world.client.tried(NOBODY, draft) if effect and not is_removal else None
    is_for_all = nobody is not None and succeeded(nobody) and nobody.header("Location") == answer.header("Location")
    if not effect or is_for_all:
        # what is open to everybody is another finding
        return None
    return Hole(
        operation=described.name,
        parameter=str(place),
        says=f"let {thief.name} change what is {victim.name}'s, named by {fact.value!r} in {place.told}: {effect}",
        proof=(answer, after),
    )


def marked(draft: RequestDraft, place: Place | None, mark: str) -> RequestDraft:
    """The request with a mark for each free text of its body, but at that place."""
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


def _is_owned(world: World, theft: Theft, answer: Exchange, victim: ApiAccount) -> bool:
    """Is the thing the victim's: not to be seen by the thief in any listing, or with a member that names its owner?"""
    names = names_of(world, victim)
    if not theft.known_to_thief and not world.facts.has_seen(NOBODY.name, theft.fact):
        return True
    return any(
        value in names and OWNER.search(plain_name(key))
        for each in objects(json_of(answer))
        for key, value in each.items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    )
