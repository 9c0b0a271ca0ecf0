"""Mass assignment: members that a client may not decide, sent in writes, and found again by a read."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from harness.probes.api.accounts import NoAccountError, is_privileged
from harness.probes.api.inputs import FORM, JSON, Body, leaves, objects, plain_name, replaced
from harness.probes.api.pages import page_of
from harness.probes.api.request import ApiAccount, Hole, Place, RequestDraft, json_of, succeeded
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


@dataclass(frozen=True, slots=True)
class _Write:
    """A write that works, who sends it, and what its thing had before."""

    described: Described
    account: ApiAccount
    draft: RequestDraft
    before: Mapping[str, Any]


def members_assigned(world: World) -> Iterator[Hole]:
    """Members of writes that the service took and should have decided itself."""
    ordinary = [each for each in world.accounts if not is_privileged(each.role)]
    if ordinary:
        yield from _of_writes(world, min(ordinary, key=lambda each: not each.ours))
    yield from _at_registration(world)


def _of_writes(world: World, account: ApiAccount) -> Iterator[Hole]:
    for described in world.writes():
        body = described.inputs.body
        if described.is_of_accounts or body is None or body.media_type not in (JSON, FORM):
            continue
        # what nobody meant to take may be held to no list
        kinds = dict.fromkeys((body.media_type, FORM))
        yield from next(
            filter(None, (list(_of_operation(world, described, account, body, each)) for each in kinds)), ()
        )
        yield from _of_form(world, described, account)


def _of_operation(world: World, described: Described, account: ApiAccount, body: Body, kind: str) -> Iterator[Hole]:
    draft, plain = _working(world, described, account, kind)
    if draft is None:
        return
    shown = _thing_of(plain)
    seen = _read_all(world, described, account, shown)
    seen |= {key: value for key, value in shown.items() if not isinstance(value, dict | list)}
    unasked = _unasked(body, seen)
    unasked |= {name: other for name, value in unasked.items() if (other := _theirs(world, account, seen[name]))}
    write = _Write(described, account, draft, seen)
    yield from filter(None, (_taken(world, write, name, value) for name, value in unasked.items()))


def _working(
    world: World, described: Described, account: ApiAccount, kind: str
) -> tuple[RequestDraft | None, Exchange | None]:
    """The request with all members that works, else that with those required; None where neither does."""
    for all_members in (True, False):
        draft = replace(world.draft(described, account, all_members=all_members), media_type=kind)
        plain = world.client.tried(account, draft) if isinstance(draft.body, dict) else None
        if succeeded(plain):
            return draft, plain
    return None, None


def _of_form(world: World, described: Described, account: ApiAccount) -> Iterator[Hole]:
    """Privileges that a form of a page asks for, or takes though it does not: the page then shows them as set."""
    draft, own = world.draft(described, account), world.reader(described, account)
    if own is None or not isinstance(draft.body, dict):
        return
    for name, value in _filled_in(world, account, own).items():
        other = True if isinstance(value, bool) else "admin"
        if not _PRIVILEGES.search(name) or value == other:
            continue
        answer = world.client.tried(account, draft.with_members({name: other}))
        if succeeded(answer) and _filled_in(world, account, own).get(name) == other:
            says = f"took the field {name!r} from an account without it: sent as {other!r}, its page then shows it"
            yield Hole(operation=described.name, parameter=f"member {name}", says=says, proof=(answer,))
            return


def _filled_in(world: World, account: ApiAccount, reader: RequestDraft) -> dict[str, Any]:
    """What stands in the forms of a page."""
    page = page_of(world.client.tried(account, reader))
    forms = page.forms if page is not None else ()
    return {name: value for each in forms if each.method == "post" for name, value in each.values.items()}


def _taken(world: World, write: _Write, name: str, value: Any) -> Hole | None:  # noqa: ANN401 - JSON is anything
    described, account, draft = write.described, write.account, write.draft
    control = world.client.tried(account, draft)
    answer = world.client.tried(account, draft.with_members({name: value}))
    if not succeeded(answer) or not succeeded(control):
        return None
    # it may be another account's from now on
    readers = (account, *world.accounts)
    after = next(filter(None, (_read_all(world, described, each, _thing_of(answer)) for each in readers)), {})
    is_form = draft.media_type == FORM
    if not _is_same(after.get(name), value, is_form=is_form) or write.before.get(name) == value:
        return None
    again = _read_all(world, described, account, _thing_of(control))
    if described.operation.method == "POST" and again.get(name) == value and _id_of(control) != _id_of(answer):
        return None
    kind = " of a form" if is_form else ""
    says = (
        f"took the member {name!r}{kind}, which it does not ask for: sent as {value!r}, a read then shows it"
        f" (before: {write.before.get(name)!r})"
    )
    return Hole(operation=described.name, parameter=f"member {name}", says=says, proof=(answer,))


def _is_same(shown: object, sent: object, *, is_form: bool) -> bool:
    """A form has texts alone; in JSON a truth is no number."""
    return str(shown) == str(sent) if is_form else shown == sent and type(shown) is type(sent)


def prototypes_polluted(world: World) -> Iterator[Hole]:
    """Writes whose `__proto__` or `constructor` becomes a member of every other object (CWE-1321)."""
    account = world.writer
    for described in world.writes():
        draft = world.draft(described, account)
        if not isinstance(draft.body, dict) or draft.media_type != JSON or described.is_of_accounts:
            continue
        echoed, plain = f"hx{secrets.token_hex(5)}", world.client.tried(account, draft)
        if not succeeded(plain) or _has(world.client.tried(account, draft.with_members({echoed: "hx"})), echoed):
            # whoever gives back any member is no proof
            continue
        for way in (("__proto__",), ("constructor", "prototype"), ("__class__", "__init__", "__globals__")):
            word = f"hx{secrets.token_hex(5)}"
            found = _inherited(world, draft, way, word)
            if found is not None:
                says = f"gave other objects what was sent in {'.'.join(way)}: an answer has the member {word!r} of it"
                yield Hole(operation=described.name, parameter=f"member {way[0]}", says=says, proof=(found,))
                return


def _inherited(world: World, draft: RequestDraft, way: tuple[str, ...], word: str) -> Exchange | None:
    """An answer whose object has a member that was sent in its prototype."""
    inner = replaced({}, (*way, word), "hx")
    seen = world.client.tried(world.writer, draft.with_members(inner))
    later = world.client.tried(world.writer, draft)
    return next((each for each in (seen, later) if _has(each, word)), None)


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
    other = world.peer(account)
    if other is None or value not in names_of(world, account):
        return None
    if value == account.username:
        return other.username
    names = sorted(names_of(world, other) - {other.username}, key=str)
    return next((each for each in names if type(each) is type(value)), None)


def _unasked(body: Body, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Members to send that the operation does not ask for, with a value that none of them has."""
    asked = {plain_name(key) for key, each in body.members.items() if not each.get("readOnly")}
    left = {name: value for name, value in seen.items() if plain_name(name) not in asked}
    found = _decided(left)
    found |= {name: value for name, value in _ALWAYS.items() if name in left}
    return dict(list(found.items())[:_MOST_MEMBERS])


def _decided(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Another value for each member that is, by its name, for the service to decide."""
    names = [name for name in thing if _PRIVILEGES.search(name) or _DECIDED.search(name)]
    return {name: other for name in names if (other := _another(name, thing[name])) is not None}


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


def _thing_of(answer: Exchange | None) -> dict[str, Any]:
    """The object that an answer is about: itself, or the one inside of it that has the most members."""
    found = [dict(each) for each in objects(json_of(answer))]
    return max(
        found[:5], key=lambda each: sum(not isinstance(value, dict | list) for value in each.values()), default={}
    )


def _key_of(thing: Mapping[str, Any]) -> tuple[str, object]:
    """The member by which a thing is known, and its value; "" and None where it has none."""
    keys = (key for key in thing if plain_name(key) in ("id", "uuid", "slug", "key", "number"))
    return next(((key, thing[key]) for key in keys), ("", None))


def _id_of(answer: Exchange | None) -> object:
    return _key_of(_thing_of(answer))[1]


def _readers(world: World, described: Described, account: ApiAccount, value: object) -> Iterator[RequestDraft]:
    """Reads that may show what a write changed, with its id first: of its path, below and above it, and what tells who
    is asking.
    """
    path = described.operation.path

    def distance(own: str) -> int:
        if own == path:
            return 0
        return 1 if own.startswith(f"{path}/") else 2 if path.startswith(f"{own}/") else 3

    ordered = sorted(world.reads(), key=lambda each: distance(each.operation.path))
    near = (each for each in ordered if _is_near(each.operation.path, path))
    for each, _ in islice(world.working(near, account), 8):
        draft = world.draft(each, account)
        if value is not None and draft.path:
            yield draft.put(Place("path", (list(draft.path)[-1],)), value)
        yield draft


def _is_near(own: str, path: str) -> bool:
    return own.startswith(f"{path}/{{") or path.startswith(f"{own}/") or "{" not in own


def _read_all(world: World, described: Described, account: ApiAccount, thing: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the thing, as reads show it: the object with the same id, or the only one that is about it."""
    key, value = _key_of(thing)
    found: list[dict[str, Any]] = []
    for draft in _readers(world, described, account, value):
        answer = world.client.tried(account, draft)
        found += [
            dict(each)
            for each in (objects(json_of(answer)) if succeeded(answer) else ())
            if (each.get(key) == value if value is not None else account.username in each.values())
        ]
    # ids of things of other kinds may be the same: the one counts that has most in common with it
    alike = [each for each in found if 2 * len(each.keys() & thing.keys()) > len(thing)]
    return max(alike, key=lambda each: len(each.keys() & thing.keys()), default={})


def _at_registration(world: World) -> Iterator[Hole]:
    """Accounts made with a privilege in the request: does any read show that they have it?"""
    account = world.one_more()
    usual = _about_itself(world, account) if account is not None else {}
    for name, value in _worth_registering(world, usual) if account is not None else ():
        shown = _registered_with(world, name, value)
        if shown.get(name) == value and usual.get(name) != value:
            yield Hole(
                operation=f"POST {world.target.auth.register.path}",
                parameter=f"member {name}",
                says=f"took the member {name!r} of whoever registers: sent as {value!r}, a read then shows {value!r}"
                f" (others have {usual.get(name)!r})",
                proof=tuple(world.login.made[-1:]),
            )


def _worth_registering(world: World, usual: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Members of an account that it may not decide itself, with a value that it usually has not."""
    asked = world.target.auth.register.body
    likely = [each for each in _decided(usual).items() if each[0] not in asked and each[1] != "hxsomebody"]
    wanted = dict.fromkeys([*_ALWAYS.items(), *likely, *_of_others(world, usual)])
    return [each for each in wanted if each[0] in usual]


def _registered_with(world: World, name: str, value: object) -> dict[str, Any]:
    """What reads show of an account that was made with one member more."""
    try:
        return _about_itself(world, world.login.register("a third user", {name: value}))
    except NoAccountError:
        return {}


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
        if draft.path and account.username not in map(str, draft.path.values()):
            continue
        for each in objects(json_of(world.client.tried(account, draft))):
            if account.username in each.values():
                found = {**each, **found}
    return found
