"""What a read gives beyond what it should when it is asked for more: parameters that widen it, orders by a secret, odd
numbers, and numbers of a write that turn the business round.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace

from harness.probes.api.exposure import secrets_in
from harness.probes.api.inputs import leaves, objects, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, Place, RequestDraft, json_of, succeeded
from harness.probes.api.thefts import naming
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

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


def answers_widened(world: World) -> Iterator[Hole]:
    """Parameters that add to an answer a secret, or what is another's, or what was removed."""
    account, pair = world.asker, world.pair
    for described in list(world.reads())[:_MOST]:
        draft = world.drafts.get((described.name, account.name))
        plain = world.client.tried(account, draft) if draft is not None else None
        if draft is None or plain is None or not succeeded(plain):
            continue
        for words in _wider(described, plain):
            seen = world.client.tried(account, replace(draft, query={**draft.query, **words}))
            if seen is None or not succeeded(seen) or seen.text == plain.text:
                continue
            what = _added(world, plain, seen, account)
            if what:
                name = next(iter(words))
                says = f"gives more with {name}={words[name]}: {what}"
                yield Hole(operation=described.name, parameter=f"query parameter {name}", says=says, proof=(seen,))
                break
    if pair is not None:
        yield from _removed_and_read(world, *pair)


def _wider(described: Described, plain: Exchange) -> Iterator[dict[str, str]]:
    """Queries that ask for more: what the document knows, and what frameworks know; one at a time."""
    related = [
        re.sub(r"_?id$", "", key, flags=re.IGNORECASE)
        for key in dict.fromkeys(key for each in objects(json_of(plain)) for key in each)
        if re.search(r"[a-z]_?id$", key, re.IGNORECASE)
    ]
    values = dict.fromkeys((*related, *_RELATIONS))
    told = [each for each in described.inputs.parameters if each.where == "query"]
    for each in told:
        if _WIDENING.fullmatch(each.name):
            listed = each.schema.get("enum") or (each.schema.get("items") or {}).get("enum")
            secret = ("password", "password_hash", "*") if re.search(r"field|select|only", each.name) else ()
            for value in dict.fromkeys([*secret, *(map(str, listed) if isinstance(listed, list) else values)]):
                yield {each.name: value}
        elif each.name in _FLAGS:
            yield {each.name: "true"}
    known = {each.name for each in told}
    yield {key: text for key, text in _FLAGS.items() if key not in known}
    for name in ("expand", "include", "embed", "populate"):
        if name not in known:
            yield {name: ",".join(related[:3] or ("user", "owner"))}
    for name in ("fields", "select"):
        if name not in known:
            yield {name: "id,username,email,password,password_hash,token"}


def _added(world: World, plain: Exchange, seen: Exchange, account: ApiAccount) -> str:
    """What an answer holds more that it should not, in words; "" for nothing."""
    before = {(name, what) for name, what in secrets_in(world, plain, account)}
    for name, what in secrets_in(world, seen, account):
        if (name, what) not in before:
            return f"{what} in the member {name!r}"
    others = [each for each in world.accounts if each is not account and each.role == account.role]
    for other in others:
        only = world.facts.only_of(other.name, {account.name, NOBODY.name})
        found = [each for each in only if each in seen.text and each not in plain.text]
        if found:
            return f"{min(found)!r}, which is {other.name}'s"
    return ""


def _removed_and_read(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """What its owner has deleted, read by another one: as it was, or with a word that asks for what is deleted."""
    for described in world.operations:
        path = described.operation.path
        names = re.findall(r"\{([^/{}]+)\}", path)
        reader = world.operation(f"GET {path}")
        if described.operation.method != "DELETE" or len(names) != 1 or reader is None:
            continue
        mine = next(world.facts.candidates(names[0], path, victim.name), None)
        fact = world.fresh(mine, victim) if mine is not None else None
        draft, own = world.draft(described, victim), world.draft(reader, victim)
        if fact is None or draft is None or own is None:
            continue
        place = Place("path", (names[0],))
        own = own.put(place, fact.value)
        before = world.client.tried(victim, own)
        if (
            before is None
            or not succeeded(before)
            or not succeeded(world.client.tried(victim, draft.put(place, fact.value)))
        ):
            continue
        texts = [value for _, value in leaves(json_of(before)) if isinstance(value, str) and len(value) >= 8]
        told = {each.name: "true" for each in reader.inputs.parameters if each.name in _FLAGS}
        for words in ({}, told or {}, _FLAGS):
            seen = world.client.tried(thief, replace(own, query={**own.query, **words}))
            if seen is not None and succeeded(seen) and any(each in seen.text for each in texts if each != fact.value):
                more = f" with {next(iter(words))}=true" if words else ""
                says = f"gives {thief.name} what {victim.name} has deleted{more}"
                yield Hole(operation=reader.name, parameter="what is deleted", says=says, proof=(seen,))
                break


def secret_orders(world: World) -> Iterator[Hole]:
    """Listings that can be sorted by a secret, which tells it letter by letter."""
    account = world.asker
    for described in world.reads():
        draft = world.drafts.get((described.name, account.name))
        for each in described.inputs.parameters if draft is not None else ():
            if draft is None or each.where != "query" or not _SORTS.fullmatch(each.name):
                continue
            place = Place("query", (each.name,))

            def by(column: str, draft: RequestDraft = draft, place: Place = place) -> Exchange | None:
                return world.client.tried(account, draft.put(place, column))

            plain, nonsense = world.client.tried(account, draft), by(f"hx{secrets.token_hex(4)}")
            if plain is None or nonsense is None or not succeeded(plain):
                continue
            for column in _SECRET_COLUMNS:
                seen = by(column)
                if seen is None or not succeeded(seen) or not _count(seen):
                    continue
                if not succeeded(nonsense) or (seen.text not in (plain.text, nonsense.text) and _same(seen, plain)):
                    says = f"sorts by {column!r} in {place.told}, and refuses names that no member has"
                    if succeeded(nonsense):
                        says = (
                            f"sorts by {column!r} in {place.told}: in another order than by a name that no member has"
                        )
                    yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))
                    break


def _count(answer: Exchange) -> int:
    return sum(1 for _ in objects(json_of(answer)))


def _same(one: Exchange, other: Exchange) -> bool:
    """Do two answers list the same things?"""
    first, second = (sorted(str(value) for _, value in leaves(json_of(each))) for each in (one, other))
    return first == second


def odd_numbers(world: World) -> Iterator[Hole]:
    """Sizes and numbers of pages that break a listing, or that give more than one's own."""
    account = world.asker
    others = [each.name for each in world.accounts if each is not account and each.role == account.role]
    for described in world.reads():
        draft = world.drafts.get((described.name, account.name)) or world.drafts.get((described.name, NOBODY.name))
        for each in described.inputs.parameters if draft is not None else ():
            if draft is None or each.where != "query" or not _PAGES.fullmatch(each.name):
                continue
            place = Place("query", (each.name,))
            plain = world.client.tried(account, draft)
            if plain is None or plain.status >= 500:
                continue
            for value in _ODD:
                seen = world.client.tried(account, draft.put(place, value))
                if seen is None:
                    continue
                if seen.status >= 500:
                    says = f"answered {seen.status} to {value!r} in {place.told}"
                    yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))
                    break
                theirs = [
                    text
                    for other in others
                    for text in world.facts.only_of(other, {account.name, NOBODY.name})
                    if text in seen.text and text not in plain.text
                ]
                if succeeded(seen) and theirs:
                    says = f"gives what is another account's ({min(theirs)!r}) to {value!r} in {place.told}"
                    yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))
                    break


def amounts_below_zero(world: World) -> Iterator[Hole]:
    """Amounts and quantities of a write that are taken though they are below zero, and turn the account round."""
    account = world.writer
    for described in world.writes():
        draft = world.draft(described, account)
        if draft is None or described.is_of_accounts:
            continue
        other = next((each for each in world.accounts if each is not account and each.role == account.role), account)
        draft = naming(draft, other)
        for place, value in list(draft.places()):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if place.where != "body" or not is_number or not _AMOUNTS.search(place.name):
                continue
            least = _least(described, place)
            plain = world.client.tried(account, draft)
            if plain is None or not succeeded(plain) or (least is not None and least < 0):
                continue
            before = _worth(world, account)
            seen = world.client.tried(account, draft.put(place, -3))
            if seen is None or not succeeded(seen):
                continue
            effect = _turned(seen, place, before, _worth(world, account))
            if effect or least is not None:
                effect = effect or f"it is described as {least} at least"
                says = f"answered {seen.status} to -3 in {place.told}: {effect}"
                yield Hole(operation=described.name, parameter=str(place), says=says, proof=(seen,))


def _least(described: Described, place: Place) -> float | None:
    """The documented minimum of a member of the body; None if it has none."""
    body = described.inputs.body
    schema = body.members.get(str(place.way[0]), {}) if body is not None else {}
    for name in place.way[1:]:
        inner = schema.get("properties", {}).get(name) if isinstance(name, str) else schema.get("items")
        schema = inner if isinstance(inner, dict) else {}
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    return float(least) if isinstance(least, int | float) and not isinstance(least, bool) else None


def _worth(world: World, account: ApiAccount) -> Mapping[str, float]:
    """Numbers that tell what an account has, as reads about itself show them."""
    found: dict[str, float] = {}
    for described in world.reads():
        draft = world.drafts.get((described.name, account.name))
        if draft is None or "{" in described.operation.path:
            continue
        body = json_of(world.client.tried(account, draft))
        for name, value in body.items() if isinstance(body, dict) else ():
            if isinstance(value, int | float) and not isinstance(value, bool) and _WORTH.search(name):
                found[f"{described.name} {name}"] = float(value)
    return found


def _turned(seen: Exchange, place: Place, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    for way, value in leaves(json_of(seen)):
        name = plain_name(str(way[-1])) if way else ""
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and value < 0 and name != plain_name(place.name) and _WORTH.search(name):
            return f"the answer has {name!r} {value}"
    grown = [key for key, value in after.items() if key in before and value > before[key]]
    return (
        f"{grown[0].rpartition(' ')[2]!r} then grows from {before[grown[0]]:g} to {after[grown[0]]:g}" if grown else ""
    )
