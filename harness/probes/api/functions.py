"""Function level: operations that are for others, or that are described as closed, and that answer nevertheless."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.probes.api.accounts import is_privileged
from harness.probes.api.detours import Detour, holding, ways_round
from harness.probes.api.exposure import same_members
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_REFUSED = (401, 403, 404)
_CHANGES = ("PUT", "PATCH")
_NOT_FOUND = (400, 404, 409, 422)
_MOST_DETOURS = 4
"""Operations of which all other ways are tried: some hundred requests each."""


def functions_open(world: World) -> Iterator[Hole]:
    """Operations that are meant for those who run the service, and that others may call."""
    lowly = [NOBODY, *[each for each in world.accounts if not is_privileged(each.role)][:1]]
    ways: dict[str, list[Hole]] = defaultdict(list)
    tried = 0
    for described in world.operations:
        if not described.is_for_admins or described.is_disruptive:
            continue
        for account in lowly:
            answer = world.answers.get((described.name, account.name)) or world.do(described, account)
            if answer is None or answer.status in _NOT_FOUND:
                answer = _by_names_of_others(world, described, account) or answer
            if succeeded(answer) and answer is not None and answer.size > 0 and _does_something(answer):
                who = account.name if account.is_nobody else f"{account.name}, which has no such role"
                says = f"has the name of what is for those who run the service, and answered {answer.status} to {who}"
                yield Hole(operation=described.name, says=says, proof=(answer,))
                break
        else:
            for way, hole in _bypassed(world, described, lowly) if tried < _MOST_DETOURS else ():
                ways[way.kind].append(hole)
            tried += 1
    for first, *others in ways.values():
        # one cause is one finding
        more = list(dict.fromkeys(each.operation for each in others if each.operation != first.operation))
        yield replace(first, says=first.says + (f"; as does {', '.join(more)}" if more else ""))


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


def _bypassed(world: World, described: Described, lowly: list[ApiAccount]) -> Iterator[tuple[Detour, Hole]]:
    """Ways round a refusal: what the admin is shown comes, or JSON where the profile names no admin."""
    for account in reversed(lowly):
        refused = world.answers.get((described.name, account.name))
        draft = world.draft(described, account)
        if refused is None or refused.status not in _REFUSED or draft is None or described.operation.method != "GET":
            continue
        shown = (world.answers.get((described.name, each.name)) for each in world.accounts if each not in lowly)
        for way, seen in ways_round(world, account, draft.target, _like(next(filter(succeeded, shown), None))):
            says = f"refuses {account.name} with {refused.status}, and answers {seen.status} by {way.told}"
            yield way, Hole(operation=described.name, parameter=way.kind, says=says, proof=(seen,))


def _like(right: Exchange | None) -> Callable[[Exchange], bool]:
    """Has an answer the members of the right one? Without one any JSON will do."""

    def is_like(seen: Exchange) -> bool:
        body = json_of(seen)
        return isinstance(body, dict | list) and bool(body) and (right is None or same_members(seen, right))

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
        if succeeded(answer) and answer is not None and (answer.size > 0 or described.operation.method in _CHANGES):
            says = f"is described as behind a login, and answered {answer.status} without one"
            yield Hole(operation=described.name, says=says, proof=(answer,))
    yield from _logins_bypassed(world)
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


def _logins_bypassed(world: World) -> Iterator[Hole]:
    """Reads that refuse nobody, and not by another way: what an account alone is shown comes then."""
    tried = 0
    told: set[str] = set()
    for account in [each for each in world.accounts if not is_privileged(each.role)][:1]:
        only = world.facts.only_of(account.name, {NOBODY.name})
        for described in world.reads():
            draft = world.drafts.get((described.name, account.name))
            refused = world.answers.get((described.name, NOBODY.name))
            if draft is None or refused is None or refused.status not in (401, 403) or tried >= _MOST_DETOURS:
                continue
            own = world.client.tried(account, draft)
            texts = [each for each in only if own is not None and each in own.text]
            if not texts:
                continue
            tried += 1
            for way, seen in ways_round(world, NOBODY, draft.target, holding(texts)):
                if way.kind not in told:
                    told.add(way.kind)
                    says = f"refuses {NOBODY.name} with {refused.status}, and answers {seen.status} by {way.told}"
                    yield Hole(operation=described.name, parameter=way.kind, says=says, proof=(seen,))


def _open_to_head(world: World) -> Iterator[Hole]:
    """Reads that refuse nobody a GET, and answer HEAD with the size or the ETag of what an account is given."""
    account = world.asker
    found: list[tuple[str, Exchange]] = []
    for described in world.reads() if not account.is_nobody else ():
        draft = world.drafts.get((described.name, account.name))
        refused = world.answers.get((described.name, NOBODY.name))
        if draft is None or refused is None or refused.status not in (401, 403):
            continue
        asked = replace(draft, operation=replace(draft.operation, method="HEAD"))
        seen, own = (world.client.tried(each, asked) for each in (NOBODY, account))
        if seen is None or own is None or not succeeded(seen) or not _same_head(seen, own):
            continue
        again = world.client.tried(NOBODY, draft)
        if again is not None and again.status == refused.status:
            found.append((described.name, seen))
    for name, seen in found[:1]:
        more = "; so does " + ", ".join(each for each, _ in found[1:6]) if len(found) > 1 else ""
        says = f"refuses who has no login, and answers {seen.status} to a HEAD without one, as to an account{more}"
        yield Hole(operation=name, parameter="method HEAD", says=says, proof=(seen,))


def _same_head(seen: Exchange, own: Exchange) -> bool:
    size, tag = seen.header("Content-Length"), seen.header("ETag")
    is_sized = size not in (None, "0") and size == own.header("Content-Length")
    return is_sized or (tag is not None and tag == own.header("ETag"))
