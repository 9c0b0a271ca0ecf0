"""What a read gives beyond what it should when it is asked for more: parameters that widen it, orders by a secret, odd
numbers, and numbers of a write that turn the business round.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harness.probes.api.exposure import secrets_in
from harness.probes.api.inputs import Parameter, is_number, leaves, objects, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, Place, RequestDraft, json_of, succeeded, texts_of
from harness.probes.api.thefts import naming
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange
from harness.probes.openapi_operation import names_in_path

_WIDENING = re.compile(
    r"expand|embed|include|includes|with|populate|fields?|select|only|view|projection|relations?|join|deep|format|scope",
    re.IGNORECASE,
)
_FLAGS = {
    "include_deleted": "true",
    "includeDeleted": "true",
    "deleted": "true",
    "with_deleted": "true",
    "trashed": "true",
    "show_deleted": "true",
    "all": "true",
    "debug": "true",
    "verbose": "true",
    "full": "true",
}
_RELATIONS = ("user", "owner", "author", "account", "customer", "profile", "*", "all")
_SECRET_COLUMNS = ("password", "password_hash", "passwordHash", "hash", "hashed_password", "secret", "token", "api_key")
_SORTS = re.compile(r"sort|sort_?by|order|order_?by|ordering", re.IGNORECASE)
_PAGES = re.compile(
    r"(?:page_?)?(?:limit|size|offset|count)|per_?page|page|page_?number|top|skip|take|first|last|start|max_?results?",
    re.IGNORECASE,
)
_ODD = ("0", "-1", "99999999999999999999", "1e3", "hx", "", "NaN", "1.5")
_AMOUNTS = re.compile(
    r"amount|quantity|qty|price|count|units|sum|total|points|credits?|seats|nights|hours", re.IGNORECASE
)
_WORTH = re.compile(r"total|amount|price|balance|credits?|sum|cost|due|points|stock|wallet", re.IGNORECASE)
_MOST = 25
_LONG = 8


def answers_widened(world: World) -> Iterator[Hole]:
    """Parameters that add to an answer a secret, or what is another's, or what was removed."""
    account, pair = world.asker, world.pair
    for described, draft in world.working(list(world.reads())[:_MOST], account):
        plain = world.client.tried(account, draft)
        if succeeded(plain):
            yield from _widened(world, described, draft, plain)
    if pair is not None:
        yield from _removed_and_read(world, *pair)


def _widened(world: World, described: Described, draft: RequestDraft, plain: Exchange) -> Iterator[Hole]:
    account = world.asker
    for words in _wider(described, plain):
        seen = world.client.tried(account, replace(draft, query={**draft.query, **words}))
        what = _added(world, plain, seen, account) if succeeded(seen) and seen.text != plain.text else ""
        if seen is not None and what:
            name = next(iter(words))
            says = f"gives more with {name}={words[name]}: {what}"
            yield Hole(operation=described.name, parameter=f"query parameter {name}", says=says, proof=(seen,))
            return


def _wider(described: Described, plain: Exchange) -> Iterator[dict[str, str]]:
    """Queries that ask for more: what the document knows, and what frameworks know; one at a time."""
    related = _related(plain)
    told = described.inputs.query
    for each in told:
        yield from ({each.name: value} for value in _widening_values(each, related))
    known = {each.name for each in told}
    yield {key: text for key, text in _FLAGS.items() if key not in known}
    usual = dict.fromkeys(("expand", "include", "embed", "populate"), ",".join(related[:3] or ("user", "owner")))
    usual |= dict.fromkeys(("fields", "select"), "id,username,email,password,password_hash,token")
    yield from ({name: value} for name, value in usual.items() if name not in known)


def _related(answer: Exchange) -> list[str]:
    """What the things of an answer name by an id."""
    keys = dict.fromkeys(key for each in objects(json_of(answer)) for key in each)
    return [
        re.sub(r"_?id$", "", key, flags=re.IGNORECASE) for key in keys if re.search(r"[a-z]_?id$", key, re.IGNORECASE)
    ]


def _widening_values(asked: Parameter, related: Iterable[str]) -> Iterable[str]:
    """With what a parameter may ask for more; nothing where it is not one of that kind."""
    if not _WIDENING.fullmatch(asked.name):
        return ("true",) if asked.name in _FLAGS else ()
    listed = asked.schema.get("enum") or (asked.schema.get("items") or {}).get("enum")
    secret = ("password", "password_hash", "*") if re.search(r"field|select|only", asked.name) else ()
    return dict.fromkeys([*secret, *(map(str, listed) if isinstance(listed, list) else (*related, *_RELATIONS))])


def _added(world: World, plain: Exchange, seen: Exchange, account: ApiAccount) -> str:
    """What an answer holds more that it should not, in words; "" for nothing."""
    before = set(secrets_in(world, plain, account))
    for name, what in secrets_in(world, seen, account):
        if (name, what) not in before:
            return f"{what} in the member {name!r}"
    for other in world.peers(account):
        if found := _gained(world, plain, seen, account, other):
            return f"{min(found)!r}, which is {other.name}'s"
    return ""


def _gained(world: World, plain: Exchange, seen: Exchange, account: ApiAccount, other: ApiAccount) -> list[str]:
    """What is another account's alone, and in the second answer only."""
    only = world.facts.only_of(other.name, {account.name, NOBODY.name})
    return [each for each in only if each in seen.text and each not in plain.text]


@dataclass(frozen=True, slots=True)
class _Deleted:
    """A thing that its owner made and deleted: how it was read, and the texts that it had."""

    reader: Described
    own: RequestDraft
    texts: list[str]

    def asked_for(self) -> Iterator[tuple[str, RequestDraft]]:
        """As it was, then with words that ask for what is deleted."""
        told = {each.name: "true" for each in self.reader.inputs.parameters if each.name in _FLAGS}
        for words in ({}, told, _FLAGS):
            more = f" with {next(iter(words))}=true" if words else ""
            yield more, replace(self.own, query={**self.own.query, **words})


def _removed_and_read(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """What its owner has deleted, read by another one."""
    for described in world.operations:
        gone = _deleted(world, described, victim) if described.operation.method == "DELETE" else None
        if gone is None:
            continue
        for more, draft in gone.asked_for():
            seen = world.client.tried(thief, draft)
            if succeeded(seen) and any(each in seen.text for each in gone.texts):
                says = f"gives {thief.name} what {victim.name} has deleted{more}"
                yield Hole(operation=gone.reader.name, parameter="what is deleted", says=says, proof=(seen,))
                break


def _deleted(world: World, described: Described, victim: ApiAccount) -> _Deleted | None:
    """What is left to ask for of a thing that the victim makes and deletes; None where it can do neither."""
    path = described.operation.path
    reader, names = world.operation(f"GET {path}"), names_in_path(path)
    if reader is None or len(names) != 1:
        return None
    mine = next(world.facts.candidates(names[0], path, victim.name), None)
    fact = world.fresh(mine, victim) if mine is not None else None
    if fact is None:
        return None
    removal, own = (
        world.draft(each, victim).put(Place("path", (names[0],)), fact.value) for each in (described, reader)
    )
    before = world.client.tried(victim, own)
    if not succeeded(before) or not succeeded(world.client.tried(victim, removal)):
        return None
    return _Deleted(reader, own, [each for each in texts_of(before, _LONG) if each != fact.value])


def secret_orders(world: World) -> Iterator[Hole]:
    """Listings that can be sorted by a secret, which tells it letter by letter."""
    for described, draft in world.working(world.reads(), world.asker):
        for place in described.query_places(_SORTS):
            yield from _sorted_by_secret(world, described, draft, place)


def _sorted_by_secret(world: World, described: Described, draft: RequestDraft, place: Place) -> Iterator[Hole]:
    account = world.asker
    plain = world.client.tried(account, draft)
    nonsense = world.client.tried(account, draft.put(place, f"hx{secrets.token_hex(4)}"))
    if nonsense is None or not succeeded(plain):
        return
    for column in _SECRET_COLUMNS:
        seen = world.client.tried(account, draft.put(place, column))
        if not succeeded(seen) or next(objects(json_of(seen)), None) is None:
            continue
        if not succeeded(nonsense):
            says = f"sorts by {column!r} in {place.told}, and refuses names that no member has"
        elif seen.text not in (plain.text, nonsense.text) and _same(seen, plain):
            says = f"sorts by {column!r} in {place.told}: in another order than by a name that no member has"
        else:
            continue
        yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))
        return


def _same(one: Exchange, other: Exchange) -> bool:
    """Do two answers list the same things?"""
    first, second = (sorted(str(value) for _, value in leaves(json_of(each))) for each in (one, other))
    return first == second


def odd_numbers(world: World) -> Iterator[Hole]:
    """Sizes and numbers of pages that break a listing, or that give more than one's own."""
    for described, draft in world.working(world.reads(), world.asker, NOBODY):
        for place in described.query_places(_PAGES):
            plain = world.client.tried(world.asker, draft)
            if plain is None or plain.status >= 500:
                continue
            for value in _ODD:
                seen = world.client.tried(world.asker, draft.put(place, value))
                if seen is not None and (effect := _broken(world, plain, seen)):
                    says = f"{effect} to {value!r} in {place.told}"
                    yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))
                    break


def _broken(world: World, plain: Exchange, seen: Exchange) -> str:
    """What an odd number did to an answer, in words; "" for nothing."""
    if seen.status >= 500:
        return f"answered {seen.status}"
    theirs = [text for other in world.peers(world.asker) for text in _gained(world, plain, seen, world.asker, other)]
    return f"gives what is another account's ({min(theirs)!r})" if succeeded(seen) and theirs else ""


def amounts_below_zero(world: World) -> Iterator[Hole]:
    """Amounts and quantities of a write that are taken though they are below zero, and turn the account round."""
    account = world.writer
    other = world.peer(account) or account
    for described in world.writes():
        if described.is_of_accounts:
            continue
        draft = naming(world.draft(described, account), other)
        for place, value in list(draft.places()):
            if place.where == "body" and is_number(value) and _AMOUNTS.search(place.name):
                yield from _below_zero(world, described, draft, place)


def _below_zero(world: World, described: Described, draft: RequestDraft, place: Place) -> Iterator[Hole]:
    account, least = world.writer, _least(described, place)
    if not succeeded(world.client.tried(account, draft)) or (least is not None and least < 0):
        return
    before = _worth(world, account)
    seen = world.client.tried(account, draft.put(place, -3))
    effect = _turned(seen, place, before, _worth(world, account)) if succeeded(seen) else ""
    if succeeded(seen) and (effect or least is not None):
        says = f"answered {seen.status} to -3 in {place.told}: {effect or f'it is described as {least} at least'}"
        yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))


def _least(described: Described, place: Place) -> float | None:
    """The documented minimum of a member of the body; None if it has none."""
    body = described.inputs.body
    schema = body.members.get(str(place.way[0]), {}) if body is not None else {}
    for name in place.way[1:]:
        inner = schema.get("properties", {}).get(name) if isinstance(name, str) else schema.get("items")
        schema = inner if isinstance(inner, dict) else {}
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    return float(least) if is_number(least) else None


def _worth(world: World, account: ApiAccount) -> Mapping[str, float]:
    """Numbers that tell what an account has, as reads about itself show them."""
    found: dict[str, float] = {}
    for described, draft in world.working(world.reads(), account):
        body = json_of(world.client.tried(account, draft)) if "{" not in described.operation.path else None
        for name, value in body.items() if isinstance(body, dict) else ():
            if is_number(value) and _WORTH.search(name):
                found[f"{described.name} {name}"] = float(value)
    return found


def _turned(seen: Exchange, place: Place, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    for way, value in leaves(json_of(seen)):
        name = plain_name(str(way[-1])) if way else ""
        if is_number(value) and value < 0 and name != plain_name(place.name) and _WORTH.search(name):
            return f"the answer has {name!r} {value}"
    for key, value in after.items():
        if value > before.get(key, value):
            return f"{key.rpartition(' ')[2]!r} then grows from {before[key]:g} to {value:g}"
    return ""
