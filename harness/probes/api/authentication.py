"""Authentication: which tokens open what only an account may see, and which of them should have ended."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from harness.probes.api.accounts import NoAccountError, let_in
from harness.probes.api.inputs import is_plain, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, lazily, succeeded
from harness.probes.api.tokens import read_jwt
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_REFUSED = (401, 403)
_SHORT_LIVED_S = 900
"""A token that lives no longer may end by itself: what goes on is the session behind it, not the token."""
LOGOUT = re.compile(r"log_?-?out|sign_?-?out|logoff", re.IGNORECASE)
"""Operations that end a session, by their names."""
_PASSWORD = re.compile(r"passw(?:or)?d", re.IGNORECASE)
_NEW = re.compile(r"new|confirm|repeat|again")
_OLD = re.compile(r"old|current|previous|existing")
_RESET = re.compile(r"forgot|reset|recover", re.IGNORECASE)
_NAMES = ("username", "email", "login", "user")
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
        for described, draft in world.known_reads(account):
            own = world.client.tried(account, draft)
            nobody = world.client.tried(NOBODY, draft)
            if succeeded(own) and nobody is not None and nobody.status in (*_REFUSED, 302, 303, 307):
                return Gate(described, draft, account)
    return None


@lazily
def logouts_ignored(world: World, gate: Gate) -> list[Hole]:
    """What a login gave goes on to open the gate after its logout."""
    for described in filter(_is_logout, world.operations):
        # writes of others may have given our accounts another name by now
        known = gate.account
        names = known.role, known.username, known.password
        account = world.one_more("one user") or world.login.enter("one user", *names)
        draft = world.draft(described, account)
        if _ends_soon(account) or not succeeded(world.client.tried(account, gate.draft)):
            continue
        left = world.client.tried(account, draft)
        if left is None or left.status >= 400:
            continue
        seen = world.client.tried(account, gate.draft)
        if succeeded(seen):
            says = f"answered {left.status}, and what the login gave still opens {gate.described.name}"
            return [Hole(operation=described.name, says=says, parameter="token after logout", proof=(left, seen))]
    return []


def _ends_soon(account: ApiAccount) -> bool:
    jwt = read_jwt(account.token)
    return jwt is not None and jwt.lifetime_s is not None and jwt.lifetime_s <= _SHORT_LIVED_S


def has_logout(world: World) -> bool:
    """Does the description know a logout?"""
    return any(map(_is_logout, world.operations))


def _is_logout(described: Described) -> bool:
    return LOGOUT.search(f"{described.operation.path} {described.operation.operation_id}") is not None


@lazily
def passwords_changed(world: World) -> list[Hole]:
    """Changes of a password: with a wrong one, and what was given before it. Of accounts that are ours alone."""
    holes: list[Hole] = []
    for described, prove in product(filter(_changes_password, world.operations), (_changed_unasked, _outlived)):
        try:
            account = world.login.register("a third user")
        except NoAccountError:
            return holes
        world.facts.learn(account.name, "login", "/users", {"username": account.username})
        change = _change_of(world.draft(described, account), account)
        hole = prove(world, change) if change is not None else None
        holes += [hole] if hole is not None else []
    return holes


def _changes_password(described: Described) -> bool:
    operation = described.operation
    is_write = operation.method in ("POST", "PUT", "PATCH") and described.inputs.body is not None
    return is_write and _PASSWORD.search(operation.path) is not None and _RESET.search(operation.path) is None


@dataclass(frozen=True, slots=True)
class _Change:
    """A request for a new password of an account, and which members of its body are the current and the new one."""

    draft: RequestDraft
    account: ApiAccount
    olds: list[str]
    news: list[str]

    def made(self, world: World, current: str) -> Exchange | None:
        """The answer, if the new password then logs in."""
        new = f"Hx-{secrets.token_hex(8)}7a!"
        body = {**self.draft.body, **dict.fromkeys(self.news, new), **dict.fromkeys(self.olds, current)}
        body |= {key: self.account.username for key in body if plain_name(key) in _NAMES}
        answer = world.client.tried(self.account, replace(self.draft, body=body))
        if not succeeded(answer):
            return None
        entered = let_in(world.login.attempt(self.account.username, new), world.target.auth.token)
        return answer if any(entered) else None


def _change_of(draft: RequestDraft, account: ApiAccount) -> _Change | None:
    if not isinstance(draft.body, Mapping):
        return None
    olds, news = _olds_and_news(draft.body)
    return _Change(draft, account, olds, news) if news else None


def _olds_and_news(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    named = list(filter(_PASSWORD.search, body))
    olds = [key for key in named if _OLD.search(plain_name(key))]
    news = [key for key in named if _NEW.search(plain_name(key))]
    rest = [key for key in named if key not in (*olds, *news)]
    return (olds, news or rest) if olds or not news else (rest, news)


def _changed_unasked(world: World, change: _Change) -> Hole | None:
    """A change with a wrong password in the place of the current one."""
    changed = change.made(world, "Hx-wrong-0000a!")
    if changed is None:
        return None
    place = "the current password"
    says = "changed the password, and asks for no current one: whoever has the session takes the account over"
    if change.olds:
        place = f"member {change.olds[0]}"
        says = "changed the password though the current one in the request was wrong: the new one logs in"
    return Hole(operation=change.draft.operation.name, says=says, parameter=place, proof=(changed,))


def _outlived(world: World, change: _Change) -> Hole | None:
    """What was given before a change, and goes on after it."""
    account = change.account
    gate = gate_of(replace(world, accounts=(account,)))
    probe = gate.draft if gate is not None else _own_gate(world, account)
    changed = change.made(world, account.password)
    if changed is None or probe is None or _ends_soon(account):
        return None
    seen = world.client.tried(account, probe)
    if not succeeded(seen) or succeeded(world.client.tried(NOBODY, probe)):
        return None
    says = f"changed the password, and what a login gave before still opens {seen.method} {seen.path}"
    name = change.draft.operation.name
    return Hole(operation=name, says=says, parameter="token after a new password", proof=(changed, seen))


def _own_gate(world: World, account: ApiAccount) -> RequestDraft | None:
    found = gate_of(world)
    return world.draft(found.described, account) if found is not None else None


@lazily
def default_accounts(world: World) -> list[Hole]:
    """Names and passwords that services are delivered with."""
    taken = {each.username for each in world.target.auth.roles.values()}
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
    for described in filter(_is_reset, world.operations) if account.username else ():
        asked = _asking_for(world.draft(described, NOBODY), account.username)
        answer = world.client.tried(NOBODY, asked) if asked is not None else None
        name = _way_told(json_of(answer))
        if name and answer is not None:
            says = f"tells whoever asks the way to a new password of {account.name}, in {name!r}"
            holes.append(Hole(operation=described.name, says=says, parameter=f"member {name}", proof=(answer,)))
    return holes


def _is_reset(described: Described) -> bool:
    return described.operation.method == "POST" and _RESET.search(described.operation.path) is not None


def _asking_for(draft: RequestDraft, username: str) -> RequestDraft | None:
    """The request for a way back to an account; None where it names none, or is the second step."""
    if not isinstance(draft.body, Mapping):
        return None
    keys = [key for key in draft.body if re.search(r"mail|user|login|account", key, re.IGNORECASE)]
    if not keys or any(re.search(r"token|code|otp", key, re.IGNORECASE) for key in draft.body):
        return None
    return replace(draft, body={**draft.body, **dict.fromkeys(keys, username)})


def _way_told(told: object) -> str:
    """The member of an answer that is the way to a new password; "" if none is."""
    for name, value in told.items() if isinstance(told, Mapping) else ():
        is_way = re.search(r"token|code|otp|pin$|password|link", name, re.IGNORECASE) is not None
        if is_way and is_plain(value) and len(str(value)) >= 4:
            return str(name)
    return ""
