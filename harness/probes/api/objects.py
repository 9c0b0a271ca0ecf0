"""Object level, reads: what one account is shown of another.

Whose a thing is, is known by evidence: a text that one account was shown and no other one was, or a member that names
the account. Things that listings show to everybody are nobody's alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

from harness.probes.api.detours import holding, ways_round
from harness.probes.api.graphql import graph_objects, graph_of
from harness.probes.api.inputs import MARK, objects, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, json_of, succeeded
from harness.probes.api.thefts import Theft, names_of, thefts
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
    told: set[str] = set()
    for theft in thefts(world, victim, thief, ("GET", "POST", "QUERY")):
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
                f"gave {thief.name} what is {victim.name}'s: with {theft.sent} for {theft.place.told} the answer"
                f" {answer.status} holds {shown}"
            ),
            proof=(answer,),
        )
    if graph := graph_of(world):
        yield from graph_objects(world, graph, victim, thief)
    yield from _by_headers(world, victim, thief)
    yield from _by_detours(world, victim, thief)


def _private_parts(world: World, answer: Exchange, theft: Theft, victim: ApiAccount, thief: ApiAccount) -> str:
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


def _is_read(answer: Exchange, theft: Theft) -> bool:
    """Does a POST show what was there before it, and does not make a new thing?"""
    made = json_of(answer)
    return not (isinstance(made, dict) and theft.place.where == "body" and answer.status == 201)


def _is_open_to_all(world: World, theft: Theft) -> bool:
    """Does anybody get it without a login? Then it is no matter of whose it is."""
    return succeeded(world.client.tried(NOBODY, theft.draft))


def _stays(world: World, theft: Theft, thief: ApiAccount, shown: str) -> bool:
    """Is it so again, and is it the value that does it: not with one that names nothing?"""
    again = world.client.tried(thief, theft.draft)
    other: object = f"{MARK}{secrets.token_hex(6)}" if isinstance(theft.fact.value, str) else 987_654_321
    control = world.client.tried(thief, theft.draft.put(theft.place, other))
    text = shown.rpartition(" ")[2].strip("'\"")
    return again is not None and text in again.text and (control is None or text not in control.text)


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


def _by_detours(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """Reads of what is the victim's, which refuse the thief, asked for in other ways."""
    only = world.facts.only_of(victim.name, {each.name for each in world.accounts if each is not victim})
    tried = 0
    told: set[str] = set()
    for described in world.reads():
        draft = world.draft(described, victim)
        own = world.client.tried(victim, draft) if draft is not None and draft.path else None
        texts = [each for each in only if own is not None and each in own.text]
        if draft is None or not succeeded(own) or not texts or tried >= _MOST_DETOURS:
            continue

        refused = world.client.tried(thief, draft)
        if refused is None or succeeded(refused):
            continue
        tried += 1
        for way, seen in ways_round(world, thief, draft.target, holding(texts)):
            if way.kind not in told:
                told.add(way.kind)
                says = f"refuses {thief.name} what is {victim.name}'s with {refused.status}, and gives it by {way.told}"
                yield Hole(operation=described.name, parameter=way.kind, says=says, proof=(seen,))
