"""Object level, reads: what one account is shown of another.

Whose a thing is, is known by evidence: a text that one account was shown and no other one was, or a member that names
the account. Things that listings show to everybody are nobody's alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from functools import partial
from itertools import islice, product

from harness.probes.api.detours import RefusedRead, bypassed, holding, shown
from harness.probes.api.graphql import graph_objects, graph_of
from harness.probes.api.inputs import MARK, is_plain, members, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, succeeded
from harness.probes.api.second_doors import given_elsewhere
from harness.probes.api.thefts import Theft, names_of, proven, thefts
from harness.probes.api.world import World
from harness.probes.exchange import Exchange

_PRIVATE = re.compile(
    r"secret|e?mail|phone|mobile|address|balance|salary|iban|card|ssn|birth|dob|passport|medical|diagnos|private|invoice"
)
_IDENTITY_HEADERS = ("X-User-Id", "X-User", "X-Username", "X-User-Email", "X-Forwarded-User", "X-Remote-User")
_MOST_DETOURS = 3
"""Operations of which all other ways are tried: some hundred requests each."""


def objects_read(world: World) -> Iterator[Hole]:
    """Reads by which one account gets what is another's."""
    if (pair := world.pair) is None:
        return
    victim, thief = pair
    yield from proven(thefts(world, victim, thief, ("GET", "POST", "QUERY")), partial(_read, world, victim, thief))
    if graph := graph_of(world):
        yield from graph_objects(world, graph, victim, thief)
    yield from given_elsewhere(world, victim, thief)
    yield from _by_headers(world, victim, thief)
    yield from bypassed(world, islice(_refusals(world, victim, thief), _MOST_DETOURS))


def _read(world: World, victim: ApiAccount, thief: ApiAccount, theft: Theft) -> Hole | None:
    answer = world.client.tried(thief, theft.draft)
    if not succeeded(answer) or not _is_read(answer, theft):
        return None
    private = _private_part(world, answer, theft, victim)
    # what anybody gets without a login is no matter of whose it is
    if not private or succeeded(world.client.tried(NOBODY, theft.draft)) or not _stays(world, theft, thief, private):
        return None
    says = (
        f"gave {thief.name} what is {victim.name}'s: with {theft.sent} for {theft.place.told} the answer"
        f" {answer.status} holds {private}"
    )
    return Hole(operation=theft.described.name, parameter=str(theft.place), says=says, proof=(answer,))


def _private_part(world: World, answer: Exchange, theft: Theft, victim: ApiAccount) -> str:
    """What an answer holds that is the victim's alone, in words; "" for nothing."""
    sent = " ".join(str(value) for _, value in theft.draft.places())
    peers = {each.name for each in world.accounts if each.role == victim.role} - {victim.name}
    only = {each for each in shown(world.facts.only_of(victim.name, {*peers, NOBODY.name}), answer) if each not in sent}
    if not theft.known_to_thief and only:
        return repr(min(only, key=lambda each: (not each.startswith(MARK), len(each), each)))
    return next(_private_members(answer, names_of(world, victim), only), "")


def _private_members(answer: Exchange, names: frozenset[str | int], only: set[str]) -> Iterator[str]:
    """Of what a listing shows: what is private by its name, of a thing that names its owner."""
    for key, value, thing in members(json_of(answer)):
        is_owned = any(is_plain(each) and each in names for each in thing.values())
        if is_owned and value in only and _PRIVATE.search(plain_name(key)):
            yield f"{key!r} {value!r}"


def _is_read(answer: Exchange, theft: Theft) -> bool:
    """Does a POST show what was there before it, and does not make a new thing?"""
    if theft.described.operation.method != "POST":
        return True
    made = json_of(answer)
    return not (isinstance(made, dict) and theft.place.where == "body" and answer.status == 201)


def _stays(world: World, theft: Theft, thief: ApiAccount, shown: str) -> bool:
    """Is it so again, and is it the value that does it: not with one that names nothing?"""
    again = world.client.tried(thief, theft.draft)
    other: object = f"{MARK}{secrets.token_hex(6)}" if isinstance(theft.fact.value, str) else 987_654_321
    control = world.client.tried(thief, theft.draft.put(theft.place, other))
    text = shown.rpartition(" ")[2].strip("'\"")
    return again is not None and text in again.text and (control is None or text not in control.text)


def _by_headers(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """Headers that name somebody, which no description mentions: the service must not believe them."""
    others = {each.name for each in world.accounts if each is not victim}
    only = world.facts.only_of(victim.name, others | {NOBODY.name})
    for described, draft in world.known_reads(victim):
        answer = world.answers.get((described.name, victim.name))
        own = shown(only, answer) if succeeded(answer) and not draft.path else []
        if own:
            yield from islice(_believed(world, draft, own, victim, thief), 1)
            return


def _believed(
    world: World, draft: RequestDraft, own: list[str], victim: ApiAccount, thief: ApiAccount
) -> Iterator[Hole]:
    names = [each for each in sorted(names_of(world, victim), key=str) if str(each).isascii()]
    for name, header, account in product(names[:3], _IDENTITY_HEADERS, (thief, NOBODY)):
        seen = world.client.tried(account, draft, headers={header: str(name)})
        told = shown(own, seen) if succeeded(seen) else []
        # what it is shown without the header too (another probe may have sent it) proves nothing
        plain = shown(told, world.client.tried(account, draft)) if told else []
        told = [each for each in told if each not in plain]
        if told and seen is not None:
            says = f"believed {account.name} who sent a header {header}: it got {victim.name}'s {told[0]!r}"
            yield Hole(operation=draft.operation.name, parameter=f"header {header}", says=says, proof=(seen,))


def _refusals(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[RefusedRead]:
    """Reads of what is the victim's alone, which refuse the thief."""
    only = world.facts.only_of(victim.name, {each.name for each in world.accounts if each is not victim})
    for described in world.reads():
        draft = world.draft(described, victim)
        if not draft.path:
            continue
        own = world.client.tried(victim, draft)
        texts = shown(only, own) if succeeded(own) else []
        refused = world.client.tried(thief, draft) if texts else None
        if refused is not None and not succeeded(refused):
            yield RefusedRead(draft=draft, account=thief, status=refused.status, is_it=holding(texts), owner=victim)
