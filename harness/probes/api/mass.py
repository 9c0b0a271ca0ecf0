"""Mass assignment: members that a client may not decide, sent in writes, and found again by a read."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.probes.api.accounts import NoAccountError, is_privileged
from harness.probes.api.inputs import FORM, JSON, leaves, merged, objects, plain_name
from harness.probes.api.pages import page_of
from harness.probes.api.request import ApiAccount, Hole, RequestDraft, json_of, succeeded
from harness.probes.api.thefts import names_of
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_PRIVILEGES = re.compile(
    r"^(?:is_?)?(?:admin|administrator|staff|superuser|super_user|root|moderator)$|^(?:user_?)?(?:roles?|permissions?|privileges?)$|"
    r"access_?level|user_?type|account_?type",
    re.IGNORECASE,
)
_DECIDED = re.compile(
    r"price|amount|total|cost|balance|credit|discount|paid|owner|user_?id|username$|account_?id|author|created_?by|verified|"
    r"approved|status|state$|plan$|tier|quota|score|rating|points|internal|is_?active|enabled|tenant|org(?:anization)?_?id|"
    r"stock|fee|featured|premium|count(?:er)?$|(?:^|_)(?:votes|likes|views|followers|downloads)$",
    re.IGNORECASE,
)
_ALWAYS: Mapping[str, Any] = {"role": "admin", "is_admin": True, "isAdmin": True, "admin": True}
"""What is sent though no answer shows it beforehand."""
_MOST_MEMBERS = 14


def members_assigned(world: World) -> Iterator[Hole]:
    """Members of writes that the service took and should have decided itself."""
    account = next((each for each in world.accounts if each.ours and not is_privileged(each.role)), None)
    account = account or next((each for each in world.accounts if not is_privileged(each.role)), None)
    if account is not None:
        for described in world.writes():
            body = described.inputs.body
            if described.is_of_accounts or body is None or body.media_type not in (JSON, FORM):
                continue
            holes = list(_of_operation(world, described, account, body.media_type))
            if not holes and body.media_type == JSON:
                # what nobody meant to take may be held to no list
                holes = list(_of_operation(world, described, account, FORM))
            yield from holes
            yield from _of_form(world, described, account)
    yield from _at_registration(world)


def _of_operation(world: World, described: Described, account: ApiAccount, media_type: str) -> Iterator[Hole]:
    draft = world.draft(described, account)
    if draft is None or not isinstance(draft.body, dict):
        return
    draft = replace(draft, media_type=media_type)
    plain = world.client.tried(account, draft)
    if not succeeded(plain):
        draft = world.draft(described, account, all_members=False)
        draft = replace(draft, media_type=media_type) if draft is not None else None
        plain = world.client.tried(account, draft) if draft is not None else None
        if draft is None or not succeeded(plain):
            return
    assert plain is not None  # noqa: S101 - for the type: it succeeded
    shown = _thing_of(plain) or {}
    readers = _readers(world, described, account)
    before = _read_all(world, account, readers, shown)
    seen = {**before, **{key: value for key, value in shown.items() if not isinstance(value, dict | list)}}
    unasked = _unasked(described, seen)
    unasked |= {name: other for name, value in unasked.items() if (other := _theirs(world, account, seen[name]))}
    for name, value in unasked.items():
        hole = _try(world, described, account, draft, name, value, seen)
        if hole is not None:
            yield hole


def _of_form(world: World, described: Described, account: ApiAccount) -> Iterator[Hole]:
    """Privileges that a form of a page asks for, or takes though it does not: the page then shows them as set."""
    reader = world.operation(f"GET {described.operation.path}")
    draft, own = world.draft(described, account), world.draft(reader, account) if reader is not None else None
    if draft is None or own is None or not isinstance(draft.body, dict):
        return

    def shown() -> dict[str, Any]:
        page = page_of(world.client.tried(account, own))
        forms = page.forms if page is not None else ()
        return {name: value for each in forms if each.method == "post" for name, value in each.values.items()}

    before = shown()
    for name, value in before.items():
        other = True if isinstance(value, bool) else "admin"
        if not _PRIVILEGES.search(name) or value == other:
            continue
        answer = world.client.tried(account, replace(draft, body={**draft.body, name: other}))
        if answer is not None and succeeded(answer) and shown().get(name) == other:
            says = f"took the field {name!r} from an account without it: sent as {other!r}, its page then shows it"
            yield Hole(operation=described.name, parameter=f"member {name}", says=says, proof=(answer,))
            return


def _try(
    world: World,
    described: Described,
    account: ApiAccount,
    draft: RequestDraft,
    name: str,
    value: Any,  # noqa: ANN401 - JSON is anything
    seen: Mapping[str, Any],
) -> Hole | None:
    control = world.client.tried(account, draft)
    body = dict(draft.body) if isinstance(draft.body, dict) else {}
    answer = world.client.tried(account, replace(draft, body={**body, name: value}))
    if not succeeded(answer) or not succeeded(control) or answer is None or control is None:
        return None
    thing = _thing_of(answer) or {}
    after = _read_all(world, account, _readers(world, described, account), thing)
    for other in world.accounts if not after else ():
        # it may be another account's from now on
        after = after or _read_all(world, other, _readers(world, described, other), thing)
    is_form = draft.media_type == FORM
    shown = after.get(name)
    if (str(shown) != str(value)) if is_form else (shown != value or type(shown) is not type(value)):
        return None
    if seen.get(name) == value:
        return None
    again = _read_all(world, account, _readers(world, described, account), _thing_of(control) or {})
    if described.operation.method == "POST" and again.get(name) == value and _id_of(control) != _id_of(answer):
        return None
    kind = " of a form" if is_form else ""
    return Hole(
        operation=described.name,
        parameter=f"member {name}",
        says=f"took the member {name!r}{kind}, which it does not ask for: sent as {value!r}, a read then shows it"
        f" (before: {seen.get(name)!r})",
        proof=(answer,),
    )


def prototypes_polluted(world: World) -> Iterator[Hole]:
    """Writes whose `__proto__` or `constructor` becomes a member of every other object (CWE-1321)."""
    account = world.writer
    for described in world.writes():
        draft = world.draft(described, account)
        if draft is None or not isinstance(draft.body, dict) or draft.media_type != JSON or described.is_of_accounts:
            continue
        echoed, plain = f"hx{secrets.token_hex(5)}", world.client.tried(account, draft)
        if not succeeded(plain) or _has(world.client.tried(account, _more(draft, {echoed: "hx"})), echoed):
            # whoever gives back any member is no proof
            continue
        for way in (("__proto__",), ("constructor", "prototype"), ("__class__", "__init__", "__globals__")):
            word = f"hx{secrets.token_hex(5)}"
            inner: dict[str, Any] = {word: "hx"}
            for name in reversed(way):
                inner = {name: inner}
            seen = world.client.tried(account, _more(draft, inner))
            later = world.client.tried(account, draft)
            found = next((each for each in (seen, later) if _has(each, word)), None)
            if found is not None:
                says = f"gave other objects what was sent in {'.'.join(way)}: an answer has the member {word!r} of it"
                yield Hole(operation=described.name, parameter=f"member {way[0]}", says=says, proof=(found,))
                return


def _more(draft: RequestDraft, members: Mapping[str, Any]) -> RequestDraft:
    return replace(draft, body={**draft.body, **members})


def _has(answer: Exchange | None, name: str) -> bool:
    """Is it the name of a member of an object that is no prototype?"""
    body = json_of(answer) if succeeded(answer) else None
    return any(
        way[-1] == name and not {"__proto__", "prototype", "__globals__"} & set(map(str, way))
        for way, _ in leaves(body)
        if way
    )


def _theirs(world: World, account: ApiAccount, value: object) -> object:
    """What another account is called, where the value is what this one is called; None where it is not."""
    other = next((each for each in world.accounts if each is not account and each.role == account.role), None)
    if other is None or value not in names_of(world, account):
        return None
    if value == account.username:
        return other.username
    return next(
        (
            each
            for each in sorted(names_of(world, other), key=str)
            if type(each) is type(value) and each != other.username
        ),
        None,
    )


def _unasked(described: Described, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Members to send that the operation does not ask for, with a value that none of them has."""
    body = described.inputs.body
    schema = merged(body.schema, body.schema.get("x-bundled", {})) if body is not None else {}
    bundle = body.schema.get("x-bundled", {}) if body is not None else {}
    asked = {
        plain_name(key)
        for key, each in (schema.get("properties") or {}).items()
        if not merged(each, bundle).get("readOnly")
    }
    found = {
        name: other
        for name, value in seen.items()
        if plain_name(name) not in asked
        and (_PRIVILEGES.search(name) or _DECIDED.search(name))
        and (other := _another(name, value)) is not None
    }
    if body is not None and seen:
        found |= {name: value for name, value in _ALWAYS.items() if name in seen and plain_name(name) not in asked}
    return dict(list(found.items())[:_MOST_MEMBERS])


def _another(name: str, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 7919
    if isinstance(value, float):
        return round(value + 79.25, 2)
    if isinstance(value, str):
        if _PRIVILEGES.search(name):
            return "admin" if value.lower() != "admin" else None
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "7919.00" if "." in value else "7919"
        return {"pending": "approved", "new": "paid", "open": "closed", "draft": "published"}.get(value, "hxsomebody")
    return None


def _thing_of(answer: Exchange | None) -> dict[str, Any] | None:
    """The object that an answer is about: itself, or the one inside of it that has the most members."""
    found = [dict(each) for each in objects(json_of(answer))]
    return max(
        found[:5], key=lambda each: sum(not isinstance(value, dict | list) for value in each.values()), default=None
    )


def _id_of(answer: Exchange | None) -> object:
    thing = _thing_of(answer) or {}
    return next((thing[key] for key in thing if plain_name(key) in ("id", "uuid", "slug", "key", "number")), None)


def _readers(world: World, described: Described, account: ApiAccount) -> list[RequestDraft]:
    """Reads that may show what a write changed: of its path, below and above it, and what tells who is asking."""
    path = described.operation.path
    found = []

    def distance(own: str) -> int:
        if own == path:
            return 0
        return 1 if own.startswith(f"{path}/") else 2 if path.startswith(f"{own}/") else 3

    for each in sorted(world.reads(), key=lambda each: distance(each.operation.path)):
        own = each.operation.path
        near = own.startswith(f"{path}/{{") or path.startswith(f"{own}/") or "{" not in own
        if near and (each.name, account.name) in world.drafts:
            draft = world.draft(each, account)
            if draft is not None:
                found.append(draft)
    return found[:8]


def _read_all(
    world: World, account: ApiAccount, readers: list[RequestDraft], thing: Mapping[str, Any]
) -> dict[str, Any]:
    """The members of the thing, as reads show it: the object with the same id, or the only one that is about it."""
    key, value = next(
        ((key, value) for key, value in thing.items() if plain_name(key) in ("id", "uuid", "slug", "key", "number")),
        ("", None),
    )
    found: list[dict[str, Any]] = []
    for reader in readers:
        drafts = [reader]
        if value is not None and reader.path:
            last = list(reader.path)[-1]
            drafts.insert(0, _with_path(reader, last, value))
        for draft in drafts:
            answer = world.client.tried(account, draft)
            found += [
                dict(each)
                for each in (objects(json_of(answer)) if succeeded(answer) else ())
                if (each.get(key) == value if value is not None else account.username in each.values())
            ]
    # ids of things of other kinds may be the same: the one counts that has most in common with it
    alike = [each for each in found if 2 * len(each.keys() & thing.keys()) > len(thing)]
    return max(alike, key=lambda each: len(each.keys() & thing.keys()), default={})


def _with_path(draft: RequestDraft, name: str, value: object) -> RequestDraft:
    return replace(draft, path={**draft.path, name: value})


def _at_registration(world: World) -> Iterator[Hole]:
    """Accounts made with a privilege in the request: does any read show that they have it?"""
    path = world.target.auth.register.path
    if not path or not any(each.ours for each in world.accounts):
        return
    try:
        usual = _about_itself(world, world.login.register("a third user"))
    except NoAccountError:
        return
    members = {
        name: other
        for name, value in usual.items()
        if (_PRIVILEGES.search(name) or _DECIDED.search(name))
        and name not in world.target.auth.register.body
        and (other := _another(name, value)) not in (None, "hxsomebody")
    }
    for name, value in dict.fromkeys([*_ALWAYS.items(), *members.items(), *_of_others(world, usual)]):
        if name not in usual:
            continue
        try:
            made = world.login.register("a third user", {name: value})
        except NoAccountError:
            continue
        shown = _about_itself(world, made)
        if shown.get(name) == value and usual.get(name) != value:
            yield Hole(
                operation=f"POST {path}",
                parameter=f"member {name}",
                says=f"took the member {name!r} of whoever registers: sent as {value!r}, a read then shows {value!r}"
                f" (others have {usual.get(name)!r})",
                proof=tuple(world.login.made[-1:]),
            )


def _of_others(world: World, usual: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Privileges that reads show of the profile's accounts, and not of one that anybody makes."""
    for account in (each for each in world.accounts if not each.ours):
        for name, value in _about_itself(world, account).items():
            if _PRIVILEGES.search(name) and isinstance(value, str | int) and value != usual.get(name):
                yield name, value


def _about_itself(world: World, account: ApiAccount) -> dict[str, Any]:
    """What reads show of an account."""
    found: dict[str, Any] = {}
    for described in world.reads():
        draft = world.draft(described, account)
        if draft is None or (draft.path and account.username not in map(str, draft.path.values())):
            continue
        for each in objects(json_of(world.client.tried(account, draft))):
            if account.username in each.values():
                found = {**each, **found}
    return found
