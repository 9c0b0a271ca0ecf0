"""Object level, writes: what one account changes, removes or makes of another's; seen by reading it as its owner."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from harness.probes.api.accounts import let_in
from harness.probes.api.detours import methods
from harness.probes.api.facts import Fact
from harness.probes.api.inputs import MARK, leaves, members, objects, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, Place, RequestDraft, json_of, succeeded
from harness.probes.api.thefts import OWNER, Theft, draft_about, names_of, naming, proven, reader_of, thefts
from harness.probes.api.world import World
from harness.probes.exchange import Exchange
from harness.probes.openapi_operation import names_in_path

_PASSWORD = re.compile(r"passw(?:or)?d|pwd", re.IGNORECASE)
_WRITES = ("PUT", "PATCH", "POST")
_MOST_DETOURS = 3


def objects_changed(world: World) -> Iterator[Hole]:
    """Writes by which one account changes or removes what is another's; seen by reading it as its owner."""
    if (pair := world.pair) is None:
        return
    victim, thief = pair
    tried = filter(_may_try, thefts(world, victim, thief, ("PUT", "PATCH", "DELETE", "POST")))
    yield from proven(tried, partial(_written, world, victim, thief))
    yield from _taken_over(world, thief)
    yield from _removed_by_detours(world, victim, thief)


def _may_try(theft: Theft) -> bool:
    """One's password is tried on an account that is not needed any more."""
    sets_password = any(_PASSWORD.search(place.name) for place, _ in theft.draft.places())
    return not (theft.described.is_disruptive or theft.place.where == "header" or sets_password)


def _written(world: World, victim: ApiAccount, thief: ApiAccount, theft: Theft) -> Hole | None:
    is_in_body = theft.described.operation.method == "POST" and theft.place.where == "body"
    if is_in_body and not theft.described.is_removal:
        return _in_the_name_of(world, theft, victim, thief) or _put_into(world, theft, victim, thief)
    return _change(world, theft, victim, thief)


@dataclass(frozen=True, slots=True)
class _Thing:
    """A thing of an account: what names it, and what its owner is shown of it by which request."""

    fact: Fact
    reader: RequestDraft
    before: Exchange
    owner: ApiAccount

    def now(self, world: World) -> Exchange | None:
        """What its owner is answered now."""
        return world.client.tried(self.owner, self.reader)

    def removed(self, after: Exchange) -> str:
        """That it was removed, in words; "" where it was not."""
        if str(self.fact.value) not in self.before.text or not (after.status in (404, 410) or self._is_left_out(after)):
            return ""
        return f"it was there for {self.owner.name} before, and is gone"

    def _is_left_out(self, after: Exchange) -> bool:
        was, now = ({value for _, value in leaves(json_of(each))} for each in (self.before, after))
        return succeeded(after) and self.fact.value in was and self.fact.value not in now

    def changed(self, world: World, after: Exchange, mark: str) -> str:
        """That it was changed, in words; "" where it was not, or changes by itself."""
        if mark in after.text and mark not in self.before.text:
            return f"{self.owner.name} then reads {mark!r} in it"
        if _differs(self.before, after) and not _differs(after, self.now(world)):
            return f"{self.owner.name} reads something else in it than before"
        return ""


def _own_thing(
    world: World, theft: Theft, fact: Fact, reader: RequestDraft | None, victim: ApiAccount
) -> _Thing | None:
    """The thing as its owner reads it; None where it is not the victim's."""
    before = world.client.tried(victim, reader) if reader is not None else None
    if reader is None or not succeeded(before) or not _is_owned(world, theft, before, victim):
        return None
    return _Thing(fact, reader, before, victim)


def _put_into(world: World, theft: Theft, victim: ApiAccount, thief: ApiAccount) -> Hole | None:
    """Things made by one account inside of what is another's, named by a member of the body."""
    thing = _own_thing(world, theft, theft.fact, _reader_of_whole(world, theft.fact, victim), victim)
    if thing is None:
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    answer = world.client.tried(thief, marked(theft.draft, theft.place, mark))
    after = thing.now(world) if succeeded(answer) else None
    if answer is None or after is None or mark not in after.text:
        return None
    says = f"let {thief.name} put a thing into what is {victim.name}'s, by {theft.fact.value!r} in {theft.place.told}"
    return Hole(operation=theft.described.name, parameter=str(theft.place), says=says, proof=(answer, after))


def _reader_of_whole(world: World, fact: Fact, victim: ApiAccount) -> RequestDraft | None:
    """The read of one thing whose parameter the fact fills."""
    for described in world.reads():
        names = names_in_path(described.operation.path)
        found = world.facts.candidates(names[0], described.operation.path, victim.name) if len(names) == 1 else ()
        if any(each.value == fact.value for each in found):
            return draft_about(world, described, victim, names[0], fact.value)
    return None


def _removed_by_detours(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """What is the victim's, removed by a request that names its method beside itself."""
    for thing, direct in islice(_deleted(world, victim, thief), _MOST_DETOURS):
        operation = thing.reader.operation
        now = thing.now(world)
        if direct is not None and now is not None and thing.removed(now):
            if succeeded(direct) and world.operation(f"DELETE {operation.path}") is None:
                says = f"lets {thief.name} remove what is {victim.name}'s by DELETE, which the document does not have"
                yield Hole(operation=operation.name, parameter="method DELETE", says=says, proof=(direct, now))
            continue
        hole = _removed_by_detour(world, thing, thief, direct)
        if hole is not None:
            yield hole
            return


def _deleted(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[tuple[_Thing, Exchange | None]]:
    """Things made by the victim, as it read them before the thief asked to DELETE each, with the answer to that."""
    for described in world.reads():
        path = described.operation.path
        name = next(reversed(names_in_path(path)), "")
        mine = next(world.facts.candidates(name, path, victim.name), None) if name else None
        fact = world.fresh(mine, victim) if mine is not None else None
        if fact is None:
            continue
        draft = draft_about(world, described, victim, name, fact.value)
        before = world.client.tried(victim, draft)
        direct = world.client.heard(thief, "DELETE", draft.target)
        if succeeded(before):
            yield _Thing(fact, draft, before, victim), direct


def _removed_by_detour(world: World, thing: _Thing, thief: ApiAccount, direct: Exchange | None) -> Hole | None:
    for way in methods("DELETE", thing.reader.target):
        answer = way.ask(world, thief)
        after = thing.now(world) if succeeded(answer) else None
        if answer is not None and after is not None and thing.removed(after):
            status = direct.status if direct is not None else "nothing"
            says = (
                f"refuses {thief.name} a DELETE with {status}, and removes what is {thing.owner.name}'s by {way.told}"
            )
            return Hole(operation=thing.reader.operation.name, parameter=way.kind, says=says, proof=(answer, after))
    return None


def _taken_over(world: World, thief: ApiAccount) -> Iterator[Hole]:
    """Passwords of others, set by naming them: the new one then logs in. Tried on an account of ours alone."""
    for described in world.operations if thief.ours else ():
        operation = described.operation
        is_login = re.search(r"log_?in|sign_?in|register", operation.path) is not None
        if operation.method not in _WRITES or described.inputs.body is None or is_login:
            continue
        own = world.draft(described, thief)
        hole = _password_set(world, thief, own) if own is not None else None
        if hole is not None:
            yield hole


def _password_set(world: World, thief: ApiAccount, own: RequestDraft) -> Hole | None:
    passwords = [place for place, _ in own.places() if _PASSWORD.search(place.name)]
    names = [place for place, value in own.places() if value == thief.username]
    if not passwords or not names:
        return None
    other = world.login.register("a third user")
    password = f"Hx-{secrets.token_hex(8)}7a!"
    draft = own
    for place, value in {**dict.fromkeys(names, other.username), **dict.fromkeys(passwords, password)}.items():
        draft = draft.put(place, value)
    answer = world.client.tried(thief, draft)
    entered = let_in(world.login.attempt(other.username, password), world.target.auth.token)
    if not succeeded(answer) or not any(entered):
        return None
    says = f"let {thief.name} set the password of another account, named in {names[0].told}: it logs in"
    return Hole(operation=own.operation.name, parameter=str(names[0]), says=says, proof=(answer,))


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
    thing = _thing_to_change(world, theft, victim)
    if thing is None:
        return None
    mark = f"{MARK}{secrets.token_hex(6)}"
    draft = theft.draft.put(place, thing.fact.value)
    draft = draft if described.is_removal else naming(marked(draft, place, mark), thief)
    answer = world.client.tried(thief, draft)
    after = thing.now(world) if succeeded(answer) else None
    if answer is None or after is None:
        return None
    effect = thing.removed(after) if described.is_removal else thing.changed(world, after, mark)
    if not effect or (not described.is_removal and _is_open_to_all(world, draft, answer)):
        return None
    says = f"let {thief.name} change what is {victim.name}'s, named by {thing.fact.value!r} in {place.told}: {effect}"
    return Hole(operation=described.name, parameter=str(place), says=says, proof=(answer, after))


def _thing_to_change(world: World, theft: Theft, victim: ApiAccount) -> _Thing | None:
    described = theft.described
    fact = world.fresh(theft.fact, victim) if described.is_removal else theft.fact
    reader = reader_of(world, described, fact, victim) if fact is not None else None
    thing = _own_thing(world, theft, fact, reader, victim) if fact is not None else None
    if thing is None or described.operation.method != "POST":
        return thing
    # a review or a comment more is what a thing that everybody reads is there for
    return None if succeeded(world.client.tried(NOBODY, thing.reader)) else thing


def _is_open_to_all(world: World, draft: RequestDraft, answer: Exchange) -> bool:
    """Is nobody answered the same? What is open to everybody is another finding."""
    nobody = world.client.tried(NOBODY, draft)
    return succeeded(nobody) and nobody.header("Location") == answer.header("Location")


def marked(draft: RequestDraft, place: Place | None, mark: str) -> RequestDraft:
    """The request with a mark for each free text of its body, but at that place."""
    for each, value in list(draft.places()):
        is_free = isinstance(value, str) and value.startswith(MARK) and "@" not in value
        if each.where == "body" and each != place and is_free:
            draft = draft.put(each, mark)
    return draft


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
    return any(value in names and OWNER.search(plain_name(key)) for key, value, _ in members(json_of(answer)))
