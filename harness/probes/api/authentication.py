"""Authentication: which tokens open what only an account may see, and which of them should have ended."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.probes.api.accounts import NoAccountError, let_in
from harness.probes.api.inputs import plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, lazily, succeeded
from harness.probes.api.tokens import read_jwt
from harness.probes.api.world import Described, World

_REFUSED = (401, 403)
_SHORT_LIVED_S = 900
"""A token that lives no longer may end by itself: what goes on is the session behind it, not the token."""
LOGOUT = re.compile(r"log_?-?out|sign_?-?out|logoff", re.IGNORECASE)
"""Operations that end a session, by their names."""
_PASSWORD = re.compile(r"passw(?:or)?d", re.IGNORECASE)
_NEW = re.compile(r"new|confirm|repeat|again")
_OLD = re.compile(r"old|current|previous|existing")
_DEFAULTS = (
    ("admin", "admin"),
    ("admin", "password"),
    ("admin", "admin123"),
    ("admin", "changeme"),
    ("root", "root"),
    ("administrator", "administrator"),
    ("test", "test"),
    ("user", "user"),
    ("guest", "guest"),
)


@dataclass(frozen=True, slots=True)
class Gate:
    """A read that lets an account in, and nobody without one."""

    described: Described
    draft: RequestDraft
    account: ApiAccount


def gate_of(world: World) -> Gate | None:
    """The read by which tokens are tried: the first one that knows the account from nobody."""
    for account in sorted(world.accounts, key=lambda each: not each.ours):
        for described in world.reads():
            draft = world.drafts.get((described.name, account.name))
            if draft is None:
                continue
            own = world.client.tried(account, draft)
            nobody = world.client.tried(NOBODY, draft)
            if succeeded(own) and nobody is not None and nobody.status in (*_REFUSED, 302, 303, 307):
                return Gate(described, draft, account)
    return None


@lazily
def logouts_ignored(world: World, gate: Gate) -> list[Hole]:
    """What a login gave goes on to open the gate after its logout."""
    logouts = [
        each for each in world.operations if LOGOUT.search(f"{each.operation.path} {each.operation.operation_id}")
    ]
    for described in logouts:
        account = world.login.enter("one user", gate.account.role, gate.account.username, gate.account.password)
        draft = world.draft(described, account)
        if draft is None or _ends_soon(account) or not succeeded(world.client.tried(account, gate.draft)):
            continue
        left = world.client.tried(account, draft)
        if left is None or left.status >= 400:
            continue
        seen = world.client.tried(account, gate.draft)
        if succeeded(seen) and seen is not None:
            says = f"answered {left.status}, and what the login gave still opens {gate.described.name}"
            return [Hole(operation=described.name, says=says, parameter="token after logout", proof=(left, seen))]
    return []


def _ends_soon(account: ApiAccount) -> bool:
    jwt = read_jwt(account.headers.get("Authorization", "").partition(" ")[2])
    return jwt is not None and jwt.lifetime_s is not None and jwt.lifetime_s <= _SHORT_LIVED_S


def has_logout(world: World) -> bool:
    """Does the description know a logout?"""
    return any(LOGOUT.search(f"{each.operation.path} {each.operation.operation_id}") for each in world.operations)


@lazily
def passwords_changed(world: World) -> list[Hole]:
    """Changes of a password: with a wrong one, and what was given before it. Of accounts that are ours alone."""
    holes: list[Hole] = []
    for described in world.operations:
        operation = described.operation
        body = described.inputs.body
        if operation.method not in ("POST", "PUT", "PATCH") or body is None or not _PASSWORD.search(operation.path):
            continue
        if re.search(r"forgot|reset|recover", operation.path, re.IGNORECASE):
            continue
        for wrong in (True, False):
            try:
                account = world.login.register("a third user")
            except NoAccountError:
                return holes
            world.facts.learn(account.name, "login", "/users", {"username": account.username})
            hole = _change_password(world, described, account, wrong=wrong)
            holes += [hole] if hole is not None else []
    return holes


def _change_password(world: World, described: Described, account: ApiAccount, *, wrong: bool) -> Hole | None:
    draft = world.draft(described, account)
    if draft is None or not isinstance(draft.body, Mapping):
        return None
    named = [key for key in draft.body if _PASSWORD.search(key)]
    olds = [key for key in named if _OLD.search(plain_name(key))]
    news = [key for key in named if _NEW.search(plain_name(key))]
    olds = olds or ([key for key in named if key not in news] if news else [])
    news = news or [key for key in named if key not in olds]
    if not news:
        return None
    new = f"Hx-{secrets.token_hex(8)}7a!"
    body: dict[str, Any] = {**draft.body, **dict.fromkeys(news, new)}
    body |= dict.fromkeys(olds, "Hx-wrong-0000a!" if wrong else account.password)
    for key in body:
        if plain_name(key) in ("username", "email", "login", "user"):
            body[key] = account.username
    gate = gate_of(replace(world, accounts=(account,))) if not wrong else None
    own = _own_gate(world, account)
    changed = world.client.tried(account, replace(draft, body=body))
    if not succeeded(changed) or changed is None:
        return None
    entered = let_in(world.login.attempt(account.username, new), world.target.auth.token)
    if not any(entered):
        return None
    if wrong:
        says = (
            "changed the password though the current one in the request was wrong: the new one logs in"
            if olds
            else "changed the password, and asks for no current one: whoever has the session takes the account over"
        )
        place = f"member {olds[0]}" if olds else "the current password"
        return Hole(operation=described.name, says=says, parameter=place, proof=(changed,))
    if _ends_soon(account):
        return None
    probe = gate.draft if gate is not None else own
    seen = world.client.tried(account, probe) if probe is not None else None
    if probe is not None and succeeded(seen) and seen is not None and not succeeded(world.client.tried(NOBODY, probe)):
        says = f"changed the password, and what a login gave before still opens {seen.method} {seen.path}"
        return Hole(operation=described.name, says=says, parameter="token after a new password", proof=(changed, seen))
    return None


def _own_gate(world: World, account: ApiAccount) -> RequestDraft | None:
    found = gate_of(world)
    return world.draft(found.described, account) if found is not None else None


@lazily
def default_accounts(world: World) -> list[Hole]:
    """Names and passwords that services are delivered with."""
    password = world.target.auth.roles
    taken = {each.username for each in password.values()}
    for username, word in _DEFAULTS:
        if username in taken or f"{username}@example.org" in taken:
            continue
        answer = world.login.attempt(username, word)
        wrong = world.login.attempt(username, f"hx{secrets.token_hex(6)}")
        if any(let_in(answer, world.target.auth.token)) and not any(let_in(wrong, world.target.auth.token)):
            says = f"lets in {username!r} with the password {word!r}, with which services are delivered"
            operation = f"POST {world.target.auth.login}"
            return [Hole(operation=operation, says=says, parameter="default account", proof=(answer,))]
    return []


@lazily
def resets_told(world: World) -> list[Hole]:
    """A forgotten password's way back that is told to whoever asks, and not by mail."""
    holes = []
    account = world.asker
    if not account.username:
        return []
    for described in world.operations:
        if described.operation.method != "POST" or not re.search(
            r"forgot|reset|recover", described.operation.path, re.IGNORECASE
        ):
            continue
        draft = world.draft(described, NOBODY)
        if draft is None or not isinstance(draft.body, Mapping):
            continue
        keys = [key for key in draft.body if re.search(r"mail|user|login|account", key, re.IGNORECASE)]
        if not keys or any(re.search(r"token|code|otp", key, re.IGNORECASE) for key in draft.body):
            continue
        answer = world.client.tried(
            NOBODY, replace(draft, body={**draft.body, **dict.fromkeys(keys, account.username)})
        )
        told = json_of(answer)
        for name, value in told.items() if isinstance(told, Mapping) else ():
            if re.search(r"token|code|otp|pin$|password|link", name, re.IGNORECASE) and isinstance(value, str | int):
                if isinstance(value, bool) or len(str(value)) < 4:
                    continue
                says = f"tells whoever asks the way to a new password of {account.name}, in {name!r}"
                proof = (answer,) if answer is not None else ()
                holes.append(Hole(operation=described.name, says=says, parameter=f"member {name}", proof=proof))
                break
    return holes
