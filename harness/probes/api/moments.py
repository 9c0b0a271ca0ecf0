"""Writes that meet: of a state that is no longer there, and the same one several times at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

from harness.probes.api.accounts import NoAccountError
from harness.probes.api.changes import marked
from harness.probes.api.inputs import MARK
from harness.probes.api.lifecycle import AT_ONCE
from harness.probes.api.request import ApiAccount, Hole, Place, RequestDraft, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import ServiceUnavailable

_ROUNDS = 3
_MOST = 40
_USED_UP = frozenset({400, 402, 403, 404, 409, 410, 412, 422})
"""How a service says that something was used before."""
_STALE = frozenset({"412", "428"})


def updates_lost(world: World) -> Iterator[Hole]:
    """Changes whose document has a condition (If-Match), made of a state that another change has replaced (RFC 9110,
    13.1.1).
    """
    account = world.writer
    for described in world.writes():
        if not is_conditional(described):
            continue
        reader = world.operation(f"GET {described.operation.path}")
        own, change = (world.draft(each, account) if each is not None else None for each in (reader, described))
        if own is None or change is None:
            continue
        before = world.client.tried(account, own)
        if not succeeded(before) or before is None or not (stale := before.header("ETag")):
            continue
        first, second = (f"{MARK}{secrets.token_hex(6)}" for _ in range(2))
        now = world.client.tried(account, _on_condition(change, first, stale))
        between = world.client.tried(account, own)
        if not succeeded(now) or between is None or between.header("ETag") in (None, stale):
            continue
        late = world.client.tried(account, _on_condition(change, second, stale))
        after = world.client.tried(account, own)
        if late is None or after is None or not succeeded(late) or after.header("ETag") == between.header("ETag"):
            continue
        says = (
            f"took a change with If-Match: {stale} and answered {late.status}, though the ETag was"
            f" {between.header('ETag')} by then: what somebody else wrote in between is lost"
        )
        yield Hole(operation=described.name, parameter="header If-Match", says=says, proof=(late, after))


def is_conditional(described: Described) -> bool:
    """Is it described as a change of a state that the request names?"""
    if described.operation.method not in ("PUT", "PATCH"):
        return False
    named = any(each.where == "header" and each.name.lower() == "if-match" for each in described.inputs.parameters)
    return named or bool(_STALE & set(described.operation.statuses))


def _on_condition(change: RequestDraft, mark: str, tag: str) -> RequestDraft:
    headers = {key: value for key, value in change.headers.items() if key.lower() != "if-match"}
    return replace(marked(change, None, mark), headers={**headers, "If-Match": tag})


def used_twice(world: World) -> Iterator[Hole]:
    """What an account may do once, done several times by requests at the same moment (CWE-362, CWE-367)."""
    account = _fresh_account(world)
    for described in list(world.makers())[:_MOST] if account is not None else ():
        draft = world.draft(described, account) if account is not None else None
        if account is None or draft is None:
            continue
        first = world.client.tried(account, draft)
        if first is None or not succeeded(first):
            continue
        world.keep(described, account, draft, first)
        second = world.client.tried(account, draft)
        if second is None or second.status not in _USED_UP or second.header("Retry-After"):
            continue
        for _ in range(_ROUNDS):
            other = _fresh_account(world)
            again = _anew(world, described, draft, account, other) if other is not None else None
            if other is None or again is None:
                break
            words = again.arguments()
            try:
                answers = world.client.at_once(other, again.operation.method, again.target, AT_ONCE, **words)
            except (ServiceUnavailable, UnfitAnswer):
                break
            taken = [each for each in answers if succeeded(each)]
            if len(taken) > 1:
                says = (
                    f"took {len(taken)} of {AT_ONCE} equal requests of one account at the same moment; one after the"
                    f" other the second is refused with {second.status}"
                )
                yield Hole(operation=described.name, parameter="requests at once", says=says, proof=tuple(taken[:2]))
                break


def _fresh_account(world: World) -> ApiAccount | None:
    if not any(each.ours for each in world.accounts):
        return None
    try:
        account = world.login.register(f"a user of {secrets.token_hex(3)}")
    except NoAccountError:
        return None
    world.facts.learn(account.name, "login", "/users", {"username": account.username})
    return account


def _anew(
    world: World, described: Described, draft: RequestDraft, account: ApiAccount, other: ApiAccount
) -> RequestDraft | None:
    """The same request of an account that has not sent it, about things of its own; None where it can make none."""
    anew = world.draft(described, other)
    for name in draft.path if anew is not None else ():
        mine = next(iter(world.facts.candidates(name, described.operation.path, account.name)), None)
        fact = world.fresh(mine, other) if mine is not None else None
        if fact is None or anew is None:
            return None
        anew = anew.put(Place("path", (name,)), fact.value)
    return anew
