"""Writes that meet: of a state that is no longer there, and the same one several times at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

from harness.probes.api.changes import marked
from harness.probes.api.inputs import MARK
from harness.probes.api.lifecycle import AT_ONCE, ROUNDS, taken_together
from harness.probes.api.request import ApiAccount, Hole, Place, RequestDraft, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_MOST = 40
_USED_UP = frozenset({400, 402, 403, 404, 409, 410, 412, 422})
"""How a service says that something was used before."""
_STALE = frozenset({"412", "428"})


def updates_lost(world: World) -> Iterator[Hole]:
    """Changes whose document has a condition (If-Match), made of a state that another change has replaced (RFC 9110,
    13.1.1).
    """
    account = world.writer
    for described in filter(is_conditional, world.writes()):
        if (own := world.reader(described, account)) is not None:
            yield from _lost(world, described, account, own)


def _lost(world: World, described: Described, account: ApiAccount, own: RequestDraft) -> Iterator[Hole]:
    change = world.draft(described, account)
    before = world.client.tried(account, own)
    stale = before.header("ETag") if succeeded(before) else None
    if not stale:
        return
    now = world.client.tried(account, _on_condition(change, stale))
    between = world.client.tried(account, own)
    if not succeeded(now) or between is None or between.header("ETag") in (None, stale):
        return
    late = world.client.tried(account, _on_condition(change, stale))
    after = world.client.tried(account, own)
    if not succeeded(late) or after is None or after.header("ETag") == between.header("ETag"):
        return
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


def _on_condition(change: RequestDraft, tag: str) -> RequestDraft:
    mark = f"{MARK}{secrets.token_hex(6)}"
    headers = {key: value for key, value in change.headers.items() if key.lower() != "if-match"}
    return replace(marked(change, None, mark), headers={**headers, "If-Match": tag})


def used_twice(world: World) -> Iterator[Hole]:
    """What an account may do once, done several times by requests at the same moment (CWE-362, CWE-367)."""
    account = _fresh_account(world)
    if account is None:
        return
    for described in list(world.makers())[:_MOST]:
        refused = _refused_again(world, described, account)
        if refused is None:
            continue
        taken = taken_together(_sent_together(world, described, account) for _ in range(ROUNDS))
        if taken:
            says = (
                f"took {len(taken)} of {AT_ONCE} equal requests of one account at the same moment; one after the"
                f" other the second is refused with {refused.status}"
            )
            yield Hole(operation=described.name, parameter="requests at once", says=says, proof=tuple(taken[:2]))


def _refused_again(world: World, described: Described, account: ApiAccount) -> Exchange | None:
    """How a request is refused that was taken once; None where it is not, or by a limit."""
    draft = world.draft(described, account)
    first = world.client.tried(account, draft)
    if not succeeded(first):
        return None
    world.keep(described, account, draft, first)
    second = world.client.tried(account, draft)
    is_used_up = second is not None and second.status in _USED_UP and not second.header("Retry-After")
    return second if is_used_up else None


def _sent_together(world: World, described: Described, account: ApiAccount) -> list[Exchange]:
    """Answers to equal requests of one fresh account; [] where it can make none."""
    other = _fresh_account(world)
    again = _anew(world, described, account, other) if other is not None else None
    if other is None or again is None:
        return []
    return world.client.at_once(other, again.operation.method, again.target, AT_ONCE, **again.arguments())


def _fresh_account(world: World) -> ApiAccount | None:
    account = world.one_more(f"a user of {secrets.token_hex(3)}")
    if account is not None:
        world.learn_name(account)
    return account


def _anew(world: World, described: Described, account: ApiAccount, other: ApiAccount) -> RequestDraft | None:
    """The request of an account that has not sent it, about things of its own; None where it can make none."""
    anew = world.draft(described, other)
    for name in anew.path:
        mine = next(iter(world.facts.candidates(name, described.operation.path, account.name)), None)
        fact = world.fresh(mine, other) if mine is not None else None
        if fact is None:
            return None
        anew = anew.put(Place("path", (name,)), fact.value)
    return anew
