"""The tour on which a world is looked around once: by reads, and by writes where they are allowed, in which each
account makes things of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.model import StackInfo, Target
from harness.probes.acts import seems_to_act
from harness.probes.api.accounts import Login, NoAccountError, is_privileged
from harness.probes.api.pages import local_target, operations_of, page_of, template_of, told_by
from harness.probes.api.request import NOBODY, ApiAccount, ApiClient, OutOfTime
from harness.probes.api.world import DISRUPTIVE, Described, World
from harness.probes.exchange import Exchange
from harness.probes.openapi import OpenApi, OpenApiError

_MOST_OPERATIONS = 150
_OF_A_PERSON = re.compile(r"passw|e?mail|user_?name|login|role", re.IGNORECASE)
_ROUNDS = 2
_MOST_PAGES = 60


def look_around(target: Target, info: StackInfo, api: OpenApi | None, client: ApiClient, *, may_write: bool) -> World:
    """Ask every operation as every account; without a document those are what pages behind a form link and ask for."""
    login = Login(target, info, client)
    world = World(target, login, tuple(_described(api)) if api is not None else ())
    try:
        world.accounts = tuple(_accounts(world, may_write=may_write))
        if api is None and target.auth.form:
            world = _along_pages(world, may_write=may_write)
        everybody = (*world.accounts, NOBODY)
        for account in world.accounts:
            world.learn_name(account)
        for _ in range(_ROUNDS):
            _ask_all(world, world.reads(), everybody)
            if may_write:
                _ask_all(world, world.makers(), world.accounts)
                _set_own(world)
        _ask_all(world, world.reads(), everybody)
    except OutOfTime as end:
        world.was_cut = str(end)
    return world


def _along_pages(world: World, *, may_write: bool) -> World:
    """The world with operations that pages told: those from the start, then those that tell of what was made."""
    account = next((each for each in world.accounts if not is_privileged(each.role)), world.asker)
    for _ in range(2):
        found: dict[str, Described] = {}
        for each in (*world.operations, *_walked(world, account)):
            # a link tells less of a page than the form that leads to it
            known = found.get(each.name)
            if known is None or len(each.inputs.parameters) > len(known.inputs.parameters):
                found[each.name] = each
        ordered = sorted(found.values(), key=lambda each: (each.operation.path.count("{"), each.operation.path))
        world = replace(world, operations=tuple(ordered[:_MOST_OPERATIONS]))
        if may_write and account.ours:
            _ask_all(world, world.makers(), (account,))
    return world


def _walked(world: World, account: ApiAccount) -> Iterator[Described]:
    """What an account is led to from the front page on; what ends or orders something is noted, and not asked."""
    ahead = ["/", *world.target.pages.paths, *world.target.pages.open, *world.login.landings]
    asked: set[str] = set()
    while ahead and len(asked) < _MOST_PAGES:
        target = ahead.pop(0)
        path, _, query = target.partition("?")
        known = f"{template_of(path)[0]}?{'&'.join(sorted(each.partition('=')[0] for each in query.split('&')))}"
        if known in asked or not path.startswith("/"):
            continue
        asked.add(known)
        answer = world.client.heard(account, "GET", target)
        if answer is None:
            continue
        if not 200 <= answer.status < 300:
            ahead += filter(None, [local_target(answer, answer.header("Location") or "")])
            continue
        ahead += _linked(answer)
        world.facts.learn(account.name, f"GET {path}", path, told_by(answer))
        world.learn_forms(account, answer)
        for operation, inputs in operations_of(answer):
            yield Described(operation=operation, inputs=inputs)


def _linked(answer: Exchange) -> list[str]:
    """Where a page's links lead, but for those that end or order something."""
    page = page_of(answer)
    linked = [local_target(answer, address) for address, _ in page.links] if page is not None else []
    return [each for each in linked if each and not DISRUPTIVE.search(each) and not seems_to_act(each, {})]


def _set_own(world: World) -> None:
    """Let accounts of ours set what is set by naming a thing: an alert, a vote, a mark."""
    for described in world.operations:
        names = described.operation.method == "PUT" and "{" in described.operation.path
        if not names or described.is_disruptive or described.is_of_accounts or described.is_for_admins:
            continue
        for account in world.ours:
            draft = world.draft(described, account)
            if not any(_OF_A_PERSON.search(place.name) for place, _ in draft.places()):
                world.do(described, account)


def _ask_all(world: World, operations: Iterable[Described], accounts: Iterable[ApiAccount]) -> None:
    asked = tuple(accounts)
    for described in operations:
        for account in asked:
            world.do(described, account)


def _described(api: OpenApi) -> Iterator[Described]:
    # what needs least comes first, so that its answers fill what needs more
    for operation in sorted(api.operations, key=lambda each: (each.path.count("{"), len(each.required), each.path))[
        :_MOST_OPERATIONS
    ]:
        try:
            yield Described(operation=operation, inputs=api.inputs(operation))
        except OpenApiError:
            continue


def _accounts(world: World, *, may_write: bool) -> Iterator[ApiAccount]:
    login = world.login
    if not world.target.auth.login:
        world.why_no_accounts = "the profile has no [auth] login"
        return
    if may_write and world.target.auth.register.path:
        try:
            yield login.register("account A")
            yield login.register("account B")
        except NoAccountError as why:
            world.why_no_accounts = str(why)
    yield from login.given()
    if not world.target.auth.roles and not world.target.auth.register.path:
        world.why_no_accounts = "the profile names no [auth.roles] and no [auth.register]"
