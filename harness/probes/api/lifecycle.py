"""The life of an account: how it begins, how it is entered, how long what it was given lasts, and its end."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.probes.api.accounts import NoAccountError, let_in
from harness.probes.api.authentication import LOGOUT, Gate
from harness.probes.api.inputs import MARK, fits_pattern, leaves, pattern_of, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

AT_ONCE = 8
ROUNDS = 3
_GUESSES = 101
"""ASVS 4, 2.2.1: no more than 100 in an hour."""
_GUESS_WORDS = re.compile(
    r"otp|2fa|mfa|two-?factor|verif|confirm|passcode|pin\b|reset|recover|challenge", re.IGNORECASE
)
_CODES = ("otp", "pin", "code")
"""How the names end of what is sent to somebody, and sent back."""
_REFRESH = re.compile(r"refresh")
_TOKEN = re.compile(r"refresh|^token$")
_NAMES = re.compile(r"^(?:username|user|login|email)$")
_OWN_ACCOUNT = re.compile(r"/(?:me|self|account|profile|users?/\{[^/]+\})/?$")
_OTHER_TYPES: tuple[object, ...] = (
    {"$ne": "hx"},
    {"$gt": ""},
    {"$regex": ".*"},
    {"$exists": True},
    {"$nin": []},
    True,
    0,
    None,
    [],
    {},
    "",
)
"""What no password is: operators of a database (NoSQL), and values that lax comparisons take for any."""


def logins_by_type(world: World) -> Iterator[Hole]:
    """Something else than the account's password, that is let in: an operator, another type, nothing."""
    path = world.target.auth.login
    if not path or world.asker.is_nobody:
        return
    word = f"Hx-wrong-{secrets.token_hex(6)}7a!"
    key = _name_of(word, world.login.words("hx", word))
    account = world.asker
    for number, value in enumerate((*_OTHER_TYPES, *_OTHER_TYPES[:2])):
        # an account is refused a few times only, before a limit hides the rest
        account = (world.one_more() or world.asker) if number % 4 == 0 else account
        body: dict[str, Any] = {**world.login.words(account.username, word), key: value}
        if number >= len(_OTHER_TYPES):
            body = dict.fromkeys(body, value)
        answer = world.login.attempt(account.username, "", body)
        if not key or not world.login.lets_in(answer):
            continue
        if any(let_in(world.login.attempt(account.username, "", {**body, key: {f"${MARK}": word}}), "")):
            continue
        says = f"lets in with {value!r} where the password of the account belongs"
        yield Hole(operation=f"POST {path}", parameter=f"member {key}", says=says, proof=(answer,))
        return
    yield from _by_form(world, key, word)


def _name_of(text: str, body: Mapping[str, str]) -> str:
    """The member of a body that has that text; "" if none has."""
    return next((name for name, value in body.items() if value == text), "")


def _by_form(world: World, key: str, word: str) -> Iterator[Hole]:
    """The same as a form, which some frameworks read as nested objects."""
    path = world.target.auth.login
    account = world.one_more() or world.asker
    plain = {name: text for name, text in world.login.words(account.username, word).items() if name != key}
    answer = world.client.heard(NOBODY, "POST", path, data={**plain, f"{key}[$ne]": "hx"})
    again = world.client.heard(NOBODY, "POST", path, data={**plain, f"{key}[${MARK}]": "hx"})
    if answer is not None and again is not None and world.login.lets_in(answer) and not any(let_in(again, "")):
        says = f"lets in by a form with {key}[$ne] where the password of the account belongs"
        yield Hole(operation=f"POST {path}", parameter=f"member {key}", says=says, proof=(answer,))


def accounts_doubled(world: World) -> Iterator[Hole]:
    """Two accounts where there should be one: of an address in other letters, or made at the same moment."""
    path = world.target.auth.register.path
    if not path:
        return
    account, body = world.login.new_account()
    made = world.login.sign_up(body)
    if made.status >= 400:
        return
    yield from _in_other_letters(world, account, body)
    yield from _by_change(world)
    twice = world.login.sign_up(body)
    bodies = (world.login.new_account()[1] for _ in range(ROUNDS))
    rounds = (world.client.at_once(NOBODY, "POST", path, AT_ONCE, json=each) for each in bodies)
    taken = taken_together(rounds) if twice.status >= 400 else []
    if taken:
        says = (
            f"made {len(taken)} accounts of {AT_ONCE} requests with the same names at the same moment; one after"
            f" the other the second is refused with {twice.status}"
        )
        yield Hole(operation=f"POST {path}", parameter="requests at once", says=says, proof=tuple(taken[:2]))


def _by_change(world: World) -> Iterator[Hole]:
    """An account that gives itself the name by which another one logs in."""
    account, other = world.one_more("a third user"), world.one_more("a fourth user")
    if account is None or other is None:
        return
    world.learn_name(account)
    for described in world.writes():
        if described.operation.method == "POST" or not _OWN_ACCOUNT.search(described.operation.path):
            continue
        draft = world.draft(described, account)
        names = [each for each in draft.members if _NAMES.fullmatch(plain_name(each))]
        for name in (each for each in names if (plain_name(each) == "email") == ("@" in other.username)):
            seen = world.client.tried(account, draft.with_members({name: other.username}))
            reader = world.reader(described, account)
            read = world.client.tried(account, reader) if reader is not None else None
            told = json_of(read)
            if succeeded(seen) and any(way[-1:] == (name,) and each == other.username for way, each in leaves(told)):
                says = f"gives {account.name} the {name} by which {other.name} logs in"
                yield Hole(operation=described.name, parameter=f"member {name}", says=says, proof=(seen,))
                return


def taken_together(rounds: Iterable[list[Exchange]]) -> list[Exchange]:
    """What was taken of equal requests, in the first round in which it was more than one; no answers end the rounds."""
    for answers in rounds:
        taken = [each for each in answers if succeeded(each)]
        if len(taken) > 1 or not answers:
            return taken
    return []


def passwords_taken(world: World) -> Iterator[Hole]:
    """An account with a password of four letters, which then logs in (ASVS 5, V6.2.1: eight at least)."""
    path = world.target.auth.register.path
    if not path:
        return
    account, body = world.login.new_account()
    short = f"{MARK}{secrets.token_hex(1)}"
    answer = world.login.sign_up({key: text.replace(account["password"], short) for key, text in body.items()})
    if answer.status < 400 and world.login.lets_in(world.login.attempt(account["username"], short)):
        key = _name_of(account["password"], body) or "password"
        says = f"made an account with the password {short!r}, of {len(short)} letters, and it logs in"
        yield Hole(operation=f"POST {path}", parameter=f"member {key}", says=says, proof=(answer,))


def _in_other_letters(world: World, account: Mapping[str, str], body: Mapping[str, str]) -> Iterator[Hole]:
    mail = next((key for key, text in body.items() if "@" in text), "")
    if not mail:
        return
    # where it is the user name too, it stands in several members
    names = [key for key, text in body.items() if text == account["username"]]
    keys = names if mail in names else [mail]

    def with_mail(text: str) -> dict[str, str]:
        return {**world.login.new_account()[1], **dict.fromkeys(keys, text)}

    same = world.login.sign_up(with_mail(body[mail]))
    if same.status < 400:
        # addresses need not be unique here
        return
    for text in _spellings(body[mail]):
        answer = world.login.sign_up(with_mail(text))
        if succeeded(answer):
            says = f"refuses a second account for an address with {same.status}, and makes one for it as {text!r}"
            path = world.target.auth.register.path
            yield Hole(operation=f"POST {path}", parameter=f"member {mail}", says=says, proof=(same, answer))
            return


def _spellings(address: str) -> list[str]:
    local, _, domain = address.rpartition("@")
    found = (f"{local}@{domain.upper()}", f"{local.upper()}@{domain}", f"{address} ", f" {address}")
    return [each for each in found if each != address]


def accounts_outlived(world: World, gate: Gate) -> Iterator[Hole]:
    """Tokens and cookies of an account that is deleted."""
    for described in world.operations:
        if described.operation.method != "DELETE" or not _OWN_ACCOUNT.search(described.operation.path):
            continue
        try:
            account = world.login.register("a third user")
        except NoAccountError:
            return
        hole = _outlived(world, gate, described, account)
        if hole is not None:
            yield hole
            return


def _outlived(world: World, gate: Gate, described: Described, account: ApiAccount) -> Hole | None:
    world.learn_name(account)
    draft, opened = world.draft(described, account), world.draft(gate.described, account)
    if not succeeded(world.client.tried(account, opened)):
        return None
    if draft.path and account.username not in draft.path.values():
        return None
    passwords = [key for key in draft.members if "passw" in key.lower()]
    gone = world.client.tried(account, draft.with_members(dict.fromkeys(passwords, account.password)))
    if not succeeded(gone):
        return None
    again = world.login.attempt(account.username, account.password)
    seen = world.client.tried(account, opened)
    if world.login.lets_in(again) or not succeeded(seen):
        return None
    says = f"deleted the account, which no longer logs in, and its token still opens {gate.described.name}"
    return Hole(operation=described.name, parameter="token", says=says, proof=(gone, seen))


def _filled_in(draft: RequestDraft, named: re.Pattern[str], text: str) -> RequestDraft:
    """The request with that text in each member of its body that has such a name."""
    return draft.with_members({key: text for key in draft.members if named.search(plain_name(key))})


def refreshes_kept(world: World, gate: Gate) -> Iterator[Hole]:
    """Tokens for new tokens that go on after they were replaced, or after the logout."""
    account = gate.account
    for described in world.operations:
        member = _refresh_member(described)
        if not member:
            continue
        first = _refresh_of(world.login.attempt(account.username, account.password))
        if not first:
            return
        path = described.operation.path
        new = world.client.heard(NOBODY, "POST", path, json={member: first})
        if new is None or not any(let_in(new, "")):
            continue
        second = _refresh_of(new)
        again = world.client.heard(NOBODY, "POST", path, json={member: first}) if second and second != first else None
        if again is not None and any(let_in(again, "")):
            says = "gave a new token for new tokens, and takes the one that it replaced a second time"
            yield Hole(operation=described.name, parameter=f"member {member}", says=says, proof=(new, again))
        yield from _after_logout(world, account, described, member)
        return


def _after_logout(world: World, account: ApiAccount, described: Described, member: str) -> Iterator[Hole]:
    entered = world.login.attempt(account.username, account.password)
    token = _refresh_of(entered)
    headers, cookies = let_in(entered, world.target.auth.token)
    own = replace(account, headers=headers, cookies=cookies)
    for logout in world.operations:
        if not LOGOUT.search(logout.title):
            continue
        left = world.client.tried(own, _filled_in(world.draft(logout, own), _TOKEN, token))
        if left is None or left.status >= 400:
            continue
        seen = world.client.heard(NOBODY, "POST", described.operation.path, json={member: token})
        if seen is not None and any(let_in(seen, "")):
            says = f"answered {left.status}, and {described.name} still gives new tokens for the one of that login"
            yield Hole(operation=logout.name, parameter="token for new tokens", says=says, proof=(left, seen))
        return


def _refresh_member(described: Described) -> str:
    """The member of a body that takes a token for new tokens; "" if the operation takes none."""
    body = described.inputs.body
    words = described.title.lower()
    if described.operation.method != "POST" or body is None or LOGOUT.search(words):
        return ""
    named = [each for each in body.members if _REFRESH.search(plain_name(each))]
    if not named and _REFRESH.search(words):
        named = [each for each in body.members if plain_name(each) == "token"]
    return next(iter(named), "")


def _refresh_of(answer: Exchange) -> str:
    for way, value in leaves(json_of(answer)):
        if isinstance(value, str) and _REFRESH.search(plain_name(str(way[-1:]))) and len(value) > 7:
            return value
    return ""


def cookies_readable(world: World) -> Iterator[Hole]:
    """Cookies of a login that scripts read, or that go over plain HTTP too (RFC 6265bis, 4.1.2.5 and 4.1.2.6)."""
    account = world.asker
    entered, cookies = world.login.cookies_set(account)
    found: dict[str, list[str]] = {}
    for cookie in cookies:
        if not cookie.http_only and cookie.name not in world.target.cookies.readable:
            found.setdefault("HttpOnly", []).append(cookie.name)
        if not cookie.secure and (world.target.tls.in_front or world.login.info.url.startswith("https:")):
            found.setdefault("Secure", []).append(cookie.name)
    operation = f"POST {world.target.auth.login}"
    for word, names in found.items():
        says = f"answered {entered.status} with Set-Cookie {', '.join(names)} of a login without {word}"
        yield Hole(operation=operation, parameter=f"cookie {names[0]}", says=says, proof=(entered,))


def sessions_fixed(world: World, gate: Gate) -> Iterator[Hole]:
    """A session's cookie that was there before the login, and that the login makes an account's."""
    account = gate.account
    for name in account.cookies:
        visited = world.client.heard(NOBODY, "GET", "/")
        given = {} if visited is None else let_in(visited, "")[1]
        for value in filter(None, (given.get(name), f"hx{secrets.token_hex(16)}")):
            stranger = ApiAccount(name="a stranger", cookies={name: value})
            if succeeded(world.client.tried(stranger, gate.draft)):
                continue
            entered = world.login.attempt(account.username, account.password, cookies={name: value})
            seen = world.client.tried(stranger, gate.draft)
            if succeeded(seen):
                says = f"keeps the cookie {name} that was sent with the login: who had set it is let in as the account"
                operation = f"POST {world.target.auth.login}"
                yield Hole(operation=operation, parameter=f"cookie {name}", says=says, proof=(entered, seen))
                return


def codes_guessed(world: World) -> Iterator[Hole]:
    """Codes of a few digits that can be tried without an end."""
    for described in world.operations:
        member = _code_member(described)
        asking = _asks_for_code(world, described) if member else None
        answers = _guessed(world, described, member, asking) if asking is not None else []
        if len(answers) == _GUESSES and len({(each.status, each.text) for each in answers}) == 1:
            says = f"answered {_GUESSES} wrong codes of one account in a row with {answers[0].status}"
            yield Hole(operation=described.name, parameter=f"member {member}", says=says, proof=(answers[-1],))


def _guessed(world: World, described: Described, member: str, asking: Described) -> list[Exchange]:
    """Refusals of codes of one account for which a code was asked, until there is something else."""
    account = world.one_more() or world.asker
    world.learn_name(account)
    draft, ask = (_filled_in(world.draft(each, account), _NAMES, account.username) for each in (described, asking))
    if not isinstance(draft.body, Mapping) or not succeeded(world.client.tried(account, ask)):
        return []
    digits = _digits(described, member)
    answers: list[Exchange] = []
    for number in range(_GUESSES):
        code = f"{number * 7919 % 10**digits:0{digits}}"
        seen = world.client.tried(account, draft.with_members({member: code}))
        if seen is None or seen.status not in (400, 401, 403, 404) or seen.header("Retry-After"):
            break
        answers.append(seen)
    return answers


def _digits(described: Described, member: str) -> int:
    """How many digits a code has, by its description; six where that does not say."""
    body = described.inputs.body
    schema = body.members.get(member, {}) if body is not None else {}
    if pattern := pattern_of(schema):
        return next((count for count in (6, 4, 5, 7, 8) if fits_pattern(pattern, "0" * count)), 6)
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    return next((each for each in (shortest, longest) if isinstance(each, int) and 3 < each < 9), 6)


def _code_member(described: Described) -> str:
    body = described.inputs.body
    if described.operation.method != "POST" or body is None or not _GUESS_WORDS.search(described.title):
        return ""
    return next((each for each in body.members if plain_name(each).endswith(_CODES)), "")


def _asks_for_code(world: World, described: Described) -> Described | None:
    """The operation that sends the code: the one without a code whose path has most in common."""
    parts = described.operation.path.strip("/").split("/")

    def common(each: Described) -> int:
        own = each.operation.path.strip("/").split("/")
        return sum(one == other for one, other in zip(own, parts, strict=False))

    found = [
        each
        for each in world.operations
        if each.operation.method == "POST"
        and each is not described
        and not _code_member(each)
        and (_GUESS_WORDS.search(each.operation.path) or re.search(r"forgot|code", each.operation.path))
    ]
    best = max(found, key=common, default=None)
    return best if best is not None and (common(best) >= len(parts) - 1 or "forgot" in best.operation.path) else None
