"""Function level: operations that are for others, or that are described as closed, and that answer nevertheless."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from harness.probes.api.accounts import is_privileged
from harness.probes.api.detours import RefusedRead, bypassed, holding, shown
from harness.probes.api.exposure import same_members, tells_anything
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_REFUSED = (401, 403, 404)
_CHANGES = ("PUT", "PATCH")
_NOT_FOUND = (400, 404, 409, 422)
_MOST_DETOURS = 4
"""Operations of which all other ways are tried: some hundred requests each."""


def functions_open(world: World) -> Iterator[Hole]:
    """Operations that are meant for those who run the service, and that others may call."""
    lowly = [NOBODY, *_lowly(world)]
    ways: list[Hole] = []
    tried = 0
    for described in world.operations:
        if not described.is_for_admins or described.is_disruptive:
            continue
        hole = next(filter(None, (_open_to(world, described, account) for account in lowly)), None)
        if hole is not None:
            yield hole
            continue
        refusals = _refusals(world, described, lowly) if tried < _MOST_DETOURS else ()
        ways += [way for refusal in refusals for way in refusal.ways_round(world)]
        tried += 1
    yield from _by_cause(ways)


def _by_cause(ways: Iterable[Hole]) -> Iterator[Hole]:
    """One cause is one finding, which names the other operations that have it."""
    by_kind: dict[str, list[Hole]] = defaultdict(list)
    for each in ways:
        by_kind[each.parameter].append(each)
    for first, *others in by_kind.values():
        more = list(dict.fromkeys(each.operation for each in others if each.operation != first.operation))
        yield replace(first, says=first.says + (f"; as does {', '.join(more)}" if more else ""))


def _lowly(world: World) -> list[ApiAccount]:
    """The first account that stands above nobody, if there is one."""
    return [each for each in world.accounts if not is_privileged(each.role)][:1]


def _open_to(world: World, described: Described, account: ApiAccount) -> Hole | None:
    answer = world.answers.get((described.name, account.name)) or world.do(described, account)
    if answer is None or answer.status in _NOT_FOUND:
        answer = _by_names_of_others(world, described, account) or answer
    if not succeeded(answer) or answer.size == 0 or not _does_something(answer):
        return None
    who = account.name if account.is_nobody else f"{account.name}, which has no such role"
    says = f"has the name of what is for those who run the service, and answered {answer.status} to {who}"
    return Hole(operation=described.name, says=says, proof=(answer,))


def _by_names_of_others(world: World, described: Described, account: ApiAccount) -> Exchange | None:
    """The operation, with what only those who run the service are shown: others cannot name what it is about."""
    for other in (each for each in world.accounts if is_privileged(each.role)):
        draft = world.draft(described, other)
        answer = world.client.tried(account, draft) if draft is not None else None
        if succeeded(answer):
            return answer
    return None


def _does_something(answer: Exchange) -> bool:
    kind = (answer.header("Content-Type") or "").lower()
    return "html" not in kind or "password" not in answer.text.lower()


def _refusals(world: World, described: Described, lowly: list[ApiAccount]) -> Iterator[RefusedRead]:
    """A read as it is refused: what the admin is shown is looked for, or JSON where the profile names no admin."""
    for account in reversed(lowly) if described.operation.method == "GET" else ():
        refused = world.answers.get((described.name, account.name))
        draft = world.draft(described, account)
        if draft is not None and refused is not None and refused.status in _REFUSED:
            answers = (world.answers.get((described.name, each.name)) for each in world.accounts if each not in lowly)
            is_it = _like(next(filter(succeeded, answers), None))
            yield RefusedRead(draft=draft, account=account, status=refused.status, is_it=is_it)


def _like(right: Exchange | None) -> Callable[[Exchange], bool]:
    """Has an answer the members of the right one? Without one any JSON will do."""

    def is_like(seen: Exchange) -> bool:
        return tells_anything(seen) and (right is None or same_members(seen, right))

    return is_like


def logins_missing(world: World) -> Iterator[Hole]:
    """Operations described as behind a login, which answer without one as they answer an account."""
    for described in world.operations:
        if not described.operation.needs_login or described.is_disruptive or described.is_for_admins:
            continue
        draft = _working_draft(world, described)
        if draft is None or described.operation.method == "DELETE":
            continue
        answer = world.client.tried(NOBODY, draft)
        if succeeded(answer) and (answer.size > 0 or described.operation.method in _CHANGES):
            says = f"is described as behind a login, and answered {answer.status} without one"
            yield Hole(operation=described.name, says=says, proof=(answer,))
    yield from bypassed(world, islice(_refusals_of_nobody(world), _MOST_DETOURS))
    yield from _open_to_head(world)


def _working_draft(world: World, described: Described) -> RequestDraft | None:
    """A request that worked for an account. A change is tried now, by an account of ours: nobody needed it before."""
    drafts = [world.drafts.get((described.name, each.name)) for each in world.accounts]
    if any(drafts) or described.operation.method not in _CHANGES or described.is_of_accounts:
        return next(filter(None, drafts), None)
    for account in (each for each in world.accounts if each.ours):
        if succeeded(world.do(described, account)):
            return world.drafts[described.name, account.name]
    return None


def _refused_to_nobody(world: World, account: ApiAccount) -> Iterator[tuple[RequestDraft, int]]:
    """Requests of reads that worked for an account and are refused without a login, with the status of that."""
    for described, draft in world.known_reads(account):
        refused = world.answers.get((described.name, NOBODY.name))
        if refused is not None and refused.status in (401, 403):
            yield draft, refused.status


def _refusals_of_nobody(world: World) -> Iterator[RefusedRead]:
    """Reads that refuse nobody, of what an account alone is shown."""
    for account in _lowly(world):
        only = world.facts.only_of(account.name, {NOBODY.name})
        for draft, status in _refused_to_nobody(world, account):
            if texts := shown(only, world.client.tried(account, draft)):
                yield RefusedRead(draft=draft, account=NOBODY, status=status, is_it=holding(texts))


def _open_to_head(world: World) -> Iterator[Hole]:
    """Reads that refuse nobody a GET, and answer HEAD with the size or the ETag of what an account is given."""
    found = list(_heads_given(world, world.asker)) if not world.asker.is_nobody else []
    for name, seen in found[:1]:
        more = "; so does " + ", ".join(each for each, _ in found[1:6]) if len(found) > 1 else ""
        says = f"refuses who has no login, and answers {seen.status} to a HEAD without one, as to an account{more}"
        yield Hole(operation=name, parameter="method HEAD", says=says, proof=(seen,))


def _heads_given(world: World, account: ApiAccount) -> Iterator[tuple[str, Exchange]]:
    for draft, status in _refused_to_nobody(world, account):
        asked = replace(draft, operation=replace(draft.operation, method="HEAD"))
        seen, own = (world.client.tried(each, asked) for each in (NOBODY, account))
        if not succeeded(seen) or own is None or not _same_head(seen, own):
            continue
        again = world.client.tried(NOBODY, draft)
        if again is not None and again.status == status:
            yield draft.operation.name, seen


def _same_head(seen: Exchange, own: Exchange) -> bool:
    size, tag = seen.header("Content-Length"), seen.header("ETag")
    is_sized = size not in (None, "0") and size == own.header("Content-Length")
    return is_sized or (tag is not None and tag == own.header("ETag"))
