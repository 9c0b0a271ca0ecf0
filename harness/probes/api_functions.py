"""Function level: operations that are for others, or that are described as closed, and that answer nevertheless."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from harness.probes.api_accounts import is_privileged
from harness.probes.api_request import NOBODY, ApiAccount, Hole, json_of, succeeded
from harness.probes.api_world import Described, World
from harness.probes.exchange import Exchange

_REFUSED = (401, 403)
_BYPASSES = (
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Original-URL": "{path}"},
    {"X-Rewrite-URL": "{path}"},
    {"X-Role": "admin"},
    {"X-User-Role": "admin"},
    {"X-Admin": "true"},
    {"X-Is-Admin": "true"},
    {"X-Internal": "true"},
    {"X-Custom-IP-Authorization": "127.0.0.1"},
)


def functions_open(world: World) -> Iterator[Hole]:
    """Operations that are meant for those who run the service, and that others may call."""
    lowly = [NOBODY, *[each for each in world.accounts if not is_privileged(each.role)][:1]]
    for described in world.operations:
        if not described.is_for_admins or described.is_disruptive:
            continue
        for account in lowly:
            answer = world.answers.get((described.name, account.name)) or world.do(described, account)
            if succeeded(answer) and answer is not None and answer.size > 0 and _does_something(answer):
                who = "nobody in particular" if account.is_nobody else "an account without that role"
                says = f"is for those who run the service by its name, and answered {answer.status} to {who}"
                yield Hole(operation=described.name, says=says, proof=(answer,))
                break
        else:
            yield from _bypassed(world, described, lowly)


def _does_something(answer: Exchange) -> bool:
    kind = (answer.header("Content-Type") or "").lower()
    return "html" not in kind or "password" not in answer.text.lower()


def _bypassed(world: World, described: Described, lowly: list[ApiAccount]) -> list[Hole]:
    """Ways round a refusal: headers that a proxy may set, and other spellings of the path."""
    if described.operation.method != "GET":
        return []
    account = lowly[-1]
    refused = world.answers.get((described.name, account.name))
    draft = world.draft(described, account)
    if refused is None or refused.status not in _REFUSED or draft is None:
        return []
    path = draft.target.partition("?")[0]
    tries = [(path, {key: text.format(path=path) for key, text in each.items()}) for each in _BYPASSES]
    tries += [
        (spelled, {})
        for spelled in (f"{path}/", f"{path}/.", f"/{path}", f"{path}.json", f"{path}%20", _shouted(path), f"{path};x")
    ]
    for spelled, headers in tries:
        where = "/" if any("URL" in key for key in headers) else spelled
        answer = world.client.ask(account, "GET", where, headers=headers)
        plain = world.client.ask(account, "GET", where) if headers else refused
        unknown = world.client.ask(account, "GET", f"{spelled}-{secrets.token_hex(4)}", headers=headers)
        if succeeded(answer) and not succeeded(plain) and not succeeded(unknown) and json_of(answer) is not None:
            what = f"header {': '.join(next(iter(headers.items())))}" if headers else f"path {spelled}"
            return [
                Hole(
                    operation=described.name,
                    parameter=what if not headers else f"header {next(iter(headers))}",
                    says=f"refuses {account.name} with {refused.status}, and not where the request has the {what}",
                    proof=(answer,),
                )
            ]
    return []


def _shouted(path: str) -> str:
    head, _, last = path.rpartition("/")
    return f"{head}/{last.upper()}"


def logins_missing(world: World) -> Iterator[Hole]:
    """Operations described as behind a login, which answer without one as they answer an account."""
    for described in world.operations:
        if not described.operation.needs_login or described.is_disruptive or described.is_for_admins:
            continue
        draft = next(
            (
                world.drafts[described.name, each.name]
                for each in world.accounts
                if (described.name, each.name) in world.drafts
            ),
            None,
        )
        if draft is None or described.operation.method == "DELETE":
            continue
        answer = world.client.tried(NOBODY, draft)
        if succeeded(answer) and answer is not None and answer.size > 0:
            says = f"is described as behind a login, and answered {answer.status} without one"
            yield Hole(operation=described.name, says=says, proof=(answer,))
