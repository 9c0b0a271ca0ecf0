"""A value of one account in another's own request: where it may stand, and which values are worth trying."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.probes.api.facts import Fact
from harness.probes.api.inputs import MARK, leaves, members, plain_name
from harness.probes.api.request import ApiAccount, Hole, Place, RequestDraft, json_of, succeeded
from harness.probes.api.world import Described, World
from harness.probes.openapi_operation import names_in_path

OWNER = re.compile(
    r"owner|holder|user|author|creator|createdby|account|customer|client|patient|assignee|member|username|email"
)
"""Members that name whose a thing is."""
_SOMEBODY = re.compile(
    r"(?:to|recipient|receiver|payee|beneficiary|reader|editor|invitee|assignee|collaborator)(?:user|username|name)?"
)
_NAMING = re.compile(r"(?:ids?|uuid|guid|slug|key|ref|number|user|username|owner|account|email|customer|member|code)$")
_NAME = re.compile(r"(?:user)?name|login|e?mail|user|account")
_CALLED = frozenset({"id", "uuid", "userid", "username", "email", "accountid", "login"})
_MOST_VALUES = 4
_ANYTHING = ("%", "*")
"""What a search that hands its text on takes for everything."""


@dataclass(frozen=True, slots=True)
class Theft:
    """A value of the victim, put into the thief's own request at a place."""

    described: Described
    draft: RequestDraft
    place: Place
    fact: Fact
    known_to_thief: bool

    @property
    def sent(self) -> str:
        """What stands at the place."""
        value = self.draft.value(self.place)
        return f"{value[0]!r} and {value[1]!r}, sent twice," if isinstance(value, tuple) else repr(value)


def proven(thefts: Iterable[Theft], prove: Callable[[Theft], Hole | None]) -> Iterator[Hole]:
    """Holes that thefts prove; once an operation has one, no more of its thefts are tried."""
    told: set[str] = set()
    for theft in thefts:
        hole = prove(theft) if theft.described.name not in told else None
        if hole is not None:
            told.add(theft.described.name)
            yield hole


def thefts(world: World, victim: ApiAccount, thief: ApiAccount, methods: tuple[str, ...]) -> Iterator[Theft]:
    for described in world.operations:
        if described.operation.method not in methods or described.is_disruptive:
            continue
        if "GET" in methods and described.is_removal:
            continue
        own = world.drafts.get((described.name, thief.name)) or world.draft(described, thief)
        yield from _by_names(world, described, own, victim)
        yield from _by_facts(world, described, own, victim, thief)


def _by_names(world: World, described: Described, own: RequestDraft, victim: ApiAccount) -> Iterator[Theft]:
    """Whatever takes a text may take an account's name."""
    for place in _text_places(described, own):
        for name in (*sorted(names_of(world, victim), key=str), *_ANYTHING):
            if isinstance(name, str) and own.value(place) != name:
                fact = Fact("username", name, described.name, "", victim.name, is_new=False)
                yield Theft(described, own.put(place, name), place, fact, known_to_thief=False)


def _by_facts(
    world: World, described: Described, own: RequestDraft, victim: ApiAccount, thief: ApiAccount
) -> Iterator[Theft]:
    """What the victim was given goes where an operation asks for it; in a query also beside the thief's own."""
    for place in _naming_places(described, own):
        mine = own.value(place)
        for fact in _facts_for(world, described, place, victim, mine):
            # whose page it is, a path says openly: then only what is private by its name counts
            seen = world.facts.has_seen(thief.name, fact) or (place.where == "path" and not fact.operation)
            sent: list[object] = [fact.value]
            if place.where == "query" and described.operation.method == "GET":
                is_own = mine and not str(mine).startswith(MARK)
                own_name = mine if is_own else _like(fact.value, names_of(world, thief))
                sent += [(own_name, fact.value), (fact.value, own_name)]
            for value in sent:
                yield Theft(described, own.put(place, value), place, fact, known_to_thief=seen)


def _facts_for(world: World, described: Described, place: Place, victim: ApiAccount, mine: object) -> list[Fact]:
    """What the victim was given, or is called, that may stand at a place where something else stands."""
    # what it made itself comes first: a long listing of everybody's things would leave no room for it
    found = world.facts.made_first(place.reference, described.operation.path, victim.name)
    values = {each.value: each for each in (*found, *_named(world, place, victim)) if each.value != mine}
    return list(values.values())[:_MOST_VALUES]


def naming(draft: RequestDraft, account: ApiAccount) -> RequestDraft:
    """The request with an account's name for each member of the body that names somebody."""
    for place, value in list(draft.places()):
        if place.where == "body" and isinstance(value, str) and _SOMEBODY.fullmatch(plain_name(place.name)):
            draft = draft.put(place, account.username)
    return draft


def _named(world: World, place: Place, victim: ApiAccount) -> Iterator[Fact]:
    """Whatever names an owner may be asked for the victim's own names."""
    if OWNER.search(plain_name(place.name)) and place.where in ("query", "body", "path"):
        for name in sorted(names_of(world, victim), key=str):
            yield Fact(plain_name(place.name), name, "", "", victim.name, is_new=False)


def _like(value: object, names: Iterable[object]) -> object:
    """What among an account's names has the form of a value of another one."""
    return min(
        names, key=lambda each: (type(each) is not type(value), abs(len(str(each)) - len(str(value)))), default=value
    )


def _naming_places(described: Described, draft: RequestDraft) -> list[Place]:
    sent = [place for place, _ in draft.places()]
    places = [*sent, *(place for place, _ in _unplaced(described) if place not in sent)]
    return [
        place
        for place in places
        if place.where == "path" or _NAMING.search(plain_name(place.name)) or OWNER.fullmatch(plain_name(place.name))
    ]


def _text_places(described: Described, draft: RequestDraft) -> list[Place]:
    """Parameters of a read that are no names of objects by their own name."""
    if described.operation.method != "GET":
        return []
    naming = _naming_places(described, draft)
    places = [place for place, kind in _unplaced(described) if kind == "string"]
    return [each for each in places if each not in naming]


def _unplaced(described: Described) -> Iterator[tuple[Place, str]]:
    """Places of parameters that stand in no path, and what type each takes."""
    for each in described.inputs.parameters:
        if each.where in ("query", "header", "cookie"):
            yield Place(each.where, (each.name,)), each.schema.get("type", "string")


def names_of(world: World, account: ApiAccount) -> frozenset[str | int]:
    """By what an account is called: its user name, and ids beside it."""
    found: set[str | int] = {account.username}
    for answer in (each for (_, name), each in world.answers.items() if name == account.name):
        for key, value, thing in members(json_of(answer)):
            if plain_name(key) in _CALLED and _is_called(thing, account.username):
                found.add(value)
    return frozenset(found)


def _is_called(thing: Mapping[str, Any], username: str) -> bool:
    return any(value == username and _NAME.fullmatch(plain_name(key)) for key, value in thing.items())


def reader_of(world: World, described: Described, fact: Fact, victim: ApiAccount) -> RequestDraft | None:
    """A read by which the owner sees the thing: of the same path or of one above it, else a listing."""
    path = described.operation.path
    for each in world.reads():
        own = each.operation.path
        names = names_in_path(own) if own == path or path.startswith(f"{own}/") else []
        draft = draft_about(world, each, victim, names[0], fact.value) if names else None
        if draft is not None:
            return draft
    return _listing_of(world, path, fact, victim)


def draft_about(world: World, described: Described, account: ApiAccount, name: str, value: object) -> RequestDraft:
    """A request about one thing: a value for the parameter of that name in the path."""
    return world.draft(described, account).put(Place("path", (name,)), value)


def _listing_of(world: World, path: str, fact: Fact, victim: ApiAccount) -> RequestDraft | None:
    """The request of a listing that holds the thing, else of one whose path is above that one."""
    for each in world.reads():
        answer = world.answers.get((each.name, victim.name))
        if succeeded(answer) and fact.value in {value for _, value in leaves(json_of(answer))}:
            return world.drafts.get((each.name, victim.name))
    listing = next((each for each in world.reads() if path.startswith(f"{each.operation.path}/")), None)
    return world.drafts.get((listing.name, victim.name)) if listing is not None else None
