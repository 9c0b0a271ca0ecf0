"""What grows without a limit: time over the length of a text (ReDoS), items of a page, attempts to log in.

And what tells accounts apart for whoever has none: status, text, length and time of a refused login.
"""

from __future__ import annotations

import re
import secrets
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from harness.probes.api.inputs import MARK, leaves, plain_name
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, cookie_line, json_of, lazily, succeeded
from harness.probes.api.sites import TextPlace, forms, matched_sites, texts
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange
from harness.stats import quantile_interval

_SEEDS = (("a", "!"), ("1", "!"), (" ", "!"), ("a@", "!"), ("a.", "!"), ("ab ", "!"), ("/", "!"), ("-", "!"))
"""What is repeated, and what then does not fit: patterns with nested repetitions try every way to split it."""
_SHORT = (22, 26, 31, 37, 44, 52)
"""Lengths before a long one, each a fifth longer: where time grows by a factor with each letter, the first of them that
takes noticeable time takes twenty times as long at most, and no text is sent that keeps the service for good."""
_LONG = 12_000
_NOTICEABLE_S = 0.12
_TOO_SLOW_S = 6.0
_LIMITS = re.compile(
    r"^(?:limit|per_?page|page_?size|size|count|take|top|first|max|max_?results|num|n|rows)$", re.IGNORECASE
)
_HUGE = 1_000_000
_MANY_ITEMS = 1_000
ATTEMPTS = 101
"""More than a hundred refused logins of one account in an hour (OWASP ASVS 4, 2.2.1)."""
_SAMPLES = 16
_OF_AN_ACCOUNT = 4
_LEAST_MS = 8.0
_LEAST_RATIO = 1.5
_FORGOTTEN = re.compile(r"forgot|reset|recover", re.IGNORECASE)
_SLOWED = frozenset({403, 423, 429, 503})


def slow_texts(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places where a text that is a little longer takes many times as long; those too that take but some texts."""
    for site in texts((*places, *matched_sites(world))):
        for unit, end in _SEEDS:
            text = _Repetition(world, site, unit, end)
            noticed = _noticed(text)
            hole = _exponential(text, *noticed) if noticed is not None else _polynomial(text)
            if hole is not None:
                yield hole
                break


@dataclass(frozen=True, slots=True)
class _Repetition:
    """What is repeated at a place, and what does not fit after it."""

    world: World
    site: TextPlace
    unit: str
    end: str

    def takes(self, count: int) -> tuple[float, Exchange | None]:
        """The seconds for so many units, and the answer."""
        return self.takes_for(self.unit * count + self.end)

    def takes_for(self, text: str) -> tuple[float, Exchange | None]:
        """The seconds for another text at the place, and the answer."""
        seen = self.world.client.tried(self.site.account, self.site.put(text))
        return (_TOO_SLOW_S, None) if seen is None else (seen.elapsed_s, seen)

    def hole(self, taken: Sequence[tuple[int, float]], proof: Exchange) -> Hole:
        """The place is slow by these counts and seconds."""
        shown = ", ".join(f"{count} times {self.unit!r}: {seconds:.2f} s" for count, seconds in taken)
        return self.site.hole(f"takes ever longer for a text in {self.site.place.told}: {shown}", proof)


def _noticed(text: _Repetition) -> tuple[int, float] | None:
    """The first short length that takes noticeable time, and how long; None where none does, twice in a row."""
    for count in _SHORT:
        if text.takes(count)[0] >= _NOTICEABLE_S:
            again = text.takes(count)[0]
            if again >= _NOTICEABLE_S:
                return count, again
    return None


def _exponential(text: _Repetition, short: int, first: float) -> Hole | None:
    """Do two more take twice as long, at least, each time?"""
    taken, proof = _series(text, short if first < 2 * _NOTICEABLE_S else short - (4 if first < _TOO_SLOW_S / 2 else 10))
    noticed = taken[-3:]
    grows = all(later[1] > 2 * earlier[1] for earlier, later in pairwise(noticed))
    if len(noticed) < 3 or not grows or noticed[-1][1] < 4 * _NOTICEABLE_S or proof is None:
        return None
    again, _ = text.takes(noticed[0][0])
    return text.hole(noticed, proof) if again <= noticed[-1][1] / 4 else None


def _series(text: _Repetition, begin: int) -> tuple[list[tuple[int, float]], Exchange | None]:
    """Counts and seconds, two more each time, until it is slow enough to judge; and the latest answer."""
    taken: list[tuple[int, float]] = []
    proof: Exchange | None = None
    for count in range(begin, begin + 12, 2):
        seconds, seen = text.takes(count)
        proof = seen or proof
        taken.append((count, seconds))
        if seconds > 1.0 or (len(taken) > 3 and seconds > 4 * _NOTICEABLE_S):
            break
    return taken, proof


def _polynomial(text: _Repetition) -> Hole | None:
    """Does twice the length take four times as long?"""
    longest = _LONG if text.site.place.where == "body" else _LONG // 2
    count = longest // len(text.unit)
    first, _ = text.takes(count)
    if first < 2 * _NOTICEABLE_S:
        return None
    quarter, half = (text.takes(count // part)[0] for part in (4, 2))
    again, proof = text.takes(count)
    other, _ = text.takes_for("".join(secrets.choice("abcdefgh") for _ in range(longest)))
    least = min(first, again)
    if proof is None or least < 3 * half or half < 2.5 * quarter or other > least / 3:
        return None
    return text.hole([(count // 4, quarter), (count // 2, half), (count, again)], proof)


@lazily
def endless_pages(world: World) -> list[Hole]:
    """Listings that give as many items as they are asked for."""
    readers = world.working(world.reads(), world.asker, NOBODY)
    holes = (next(_endless(world, described, draft), None) for described, draft in readers)
    return [each for each in holes if each is not None]


def _endless(world: World, described: Described, draft: RequestDraft) -> Iterator[Hole]:
    for place in described.query_places(_LIMITS):
        answers = [world.client.tried(world.asker, draft.put(place, count)) for count in (1, 2, _HUGE)]
        taken = [each for each in answers if succeeded(each)]
        what = _beyond_limits(taken) if len(taken) == len(answers) else ""
        if what:
            says = f"has no limit for {place.told}: asked for {_HUGE} items, {what}"
            yield Hole(operation=described.name, parameter=str(place), says=says, proof=(taken[-1],))


def _beyond_limits(answers: Sequence[Exchange]) -> str:
    """What came where one, two and very many items were asked for, in words; "" where it is limited."""
    one, some, most = (_count(json_of(each)) for each in answers)
    if one != 1 or some > 2 or most <= some:
        return ""
    if _HUGE in [value for _, value in leaves(json_of(answers[-1]))]:
        return f"the answer says that its limit is {_HUGE}"
    return f"{most} items came" if most >= _MANY_ITEMS else ""


def _count(body: Any) -> int:  # noqa: ANN401
    """How many items a listing has: its longest list."""
    if isinstance(body, list):
        return len(body)
    lists = [value for value in body.values() if isinstance(value, list)] if isinstance(body, dict) else []
    return max(map(len, lists), default=-1)


def endless_logins(world: World) -> Iterator[Hole]:
    """An account of ours is tried with wrong passwords, by one client, until somebody minds."""
    account = world.login.register("a third user")
    path = world.target.auth.login
    statuses = set()
    last: Exchange | None = None
    shown = world.client.ask_as_one("GET", path) if world.target.auth.form else None
    for _ in range(ATTEMPTS):
        last = world.client.ask_as_one("POST", path, **_wrong_words(world, account, shown))
        statuses.add(last.status)
        if last.status in _SLOWED or last.header("Retry-After") or len(statuses) > 1:
            return
    if last is not None and world.login.lets_in(world.login.attempt(account.username, account.password)):
        says = f"answered {ATTEMPTS} wrong passwords of one account in a row with {last.status}, and then let it in"
        yield Hole(operation=f"POST {path}", parameter="attempts", says=says, proof=(last,))


def _wrong_words(world: World, account: ApiAccount, shown: Exchange | None) -> dict[str, Any]:
    """What is sent with a wrong password: as JSON, or with the form that was shown."""
    body = world.login.words(account.username, f"Hx-wrong-{secrets.token_hex(4)}a!")
    if shown is None:
        return {"json": body}
    words = world.login.form_words(shown, body, {})
    jar = words.pop("cookies")
    words["headers"] |= {"Cookie": cookie_line(jar)} if jar else {}
    return words


@dataclass(frozen=True, slots=True)
class _Refusals:
    """What refused logins were answered with: of an account, and of names that nobody has."""

    known: list[Exchange]
    unknown: list[Exchange]


@lazily
def accounts_told(world: World) -> list[Hole]:
    """Does a refused login, or a forgotten password's form, tell whether there is such an account?"""
    path = world.target.auth.login
    ours = world.one_more()
    account = ours or next(iter(world.accounts), None)
    if not path or account is None:
        return _told_by_forms(world)
    seen = _refused(world, account, 2)
    says = "" if seen is None else _difference(seen) or (_slower(world) if ours is not None else "")
    if ours is None:
        world.login.attempt(account.username, account.password)
    holes = _told_by_forms(world)
    if seen is None or not says:
        return holes
    says = f"tells a wrong password from an unknown account: {says}"
    proof = (seen.unknown[-1], seen.known[-1])
    return [Hole(operation=f"POST {path}", parameter="user name", says=says, proof=proof), *holes]


def _refused(world: World, account: ApiAccount, times: int) -> _Refusals | None:
    """Refused logins of both kinds, each kind first in turn, so that none is always behind the other; None once the
    service slows them down.
    """
    known: list[Exchange] = []
    unknown: list[Exchange] = []
    for number in range(times):
        word = f"Hx-{secrets.token_hex(6)}7a!"
        pair = [(_stranger(account), unknown), (account.username, known)]
        for name, kind in pair if number % 2 == 0 else reversed(pair):
            kind.append(world.login.attempt(name, word))
        for seen in (known[-1], unknown[-1]):
            if seen.status in _SLOWED - {403} or seen.header("Retry-After") or succeeded(seen):
                return None
    return _Refusals(known, unknown)


def _stranger(account: ApiAccount) -> str:
    """A name that nobody has, of the same shape and length."""
    name, at, host = account.username.partition("@")
    return (MARK + secrets.token_hex(32))[: max(len(name), 8)] + at + host


def _difference(seen: _Refusals) -> str:
    """By what both kinds differ each time, in words; "" where they are alike."""
    statuses = [{each.status for each in group} for group in (seen.known, seen.unknown)]
    texts = [{_without(each) for each in group} for group in (seen.known, seen.unknown)]
    for what, (known, unknown) in (("status ", statuses), ("", texts)):
        if len(known) == len(unknown) == 1 and known != unknown:
            one, other = (str(next(iter(each)))[:120] for each in (known, unknown))
            return f"{what}{one} and {other}"
    return ""


def _without(answer: Exchange) -> str:
    """An answer's text without what was sent, and without what differs each time."""
    text = answer.text
    for _, value in leaves(_sent_body(answer)):
        for form in forms(str(value)) if len(str(value)) > 3 else ():
            text = text.replace(form, "§")
    return re.sub(r"[0-9a-f-]{16,}|[\w.-]{32,}|\d{4}-\d\d-\d\d[T ][\d:.+Z-]+|\d{6,}", "§", text)


def _sent_body(answer: Exchange) -> Any:  # noqa: ANN401
    """What was sent with a login, by name."""
    try:
        return msgspec.json.decode(answer.request_bytes)
    except msgspec.DecodeError:
        return dict(parse_qsl(answer.request_body))


def _slower(world: World) -> str:
    """Is one kind slower than the other, in two series, by more than chance and noise?"""
    found = []
    for _ in range(2):
        seen = _refused_in_turn(world)
        if seen is None:
            return ""
        known, unknown = ([each.elapsed_s * 1000 for each in group] for group in (seen.known, seen.unknown))
        verdict = slower_of(known, unknown)
        if verdict == 0:
            return ""
        found.append((verdict, statistics.median(known), statistics.median(unknown)))
    if len({sign for sign, _, _ in found}) > 1:
        return ""
    *_, (_, known_ms, unknown_ms) = found
    return f"it takes {known_ms:.0f} ms and {unknown_ms:.0f} ms (medians of {_SAMPLES}), in two series"


def _refused_in_turn(world: World) -> _Refusals | None:
    """Refused logins of several accounts, each a few times only, before a limit makes both kinds alike."""
    series = _Refusals([], [])
    for _ in range(_SAMPLES // _OF_AN_ACCOUNT):
        seen = _refused(world, world.login.register("a third user"), _OF_AN_ACCOUNT)
        if seen is None:
            return None
        series = _Refusals(series.known + seen.known, series.unknown + seen.unknown)
    return series


def slower_of(one: Sequence[float], other: Sequence[float]) -> int:
    """Which of two samples of milliseconds is the slower one: 1, -1, or 0 where that may be chance.

    The medians' intervals at 99 % lie apart, by at least 8 ms and by half of the smaller one.
    """
    first, second = (quantile_interval(each, 0.5, 0.99) for each in (one, other))
    if first is None or second is None:
        return 0
    sign, low, high = (1, second, first) if first[0] > second[1] else (-1, first, second)
    if high[0] - low[1] < _LEAST_MS or high[0] < _LEAST_RATIO * low[1]:
        return 0
    return sign


def _told_by_forms(world: World) -> list[Hole]:
    """Forms for a forgotten password, asked for an account and for a name that nobody has."""
    account = next(iter(world.accounts), None)
    if account is None:
        return []
    posts = (each for each in world.operations if each.operation.method == "POST")
    holes = [_told_by_form(world, each, account) for each in posts if _FORGOTTEN.search(each.operation.path)]
    return [each for each in holes if each is not None]


def _told_by_form(world: World, described: Described, account: ApiAccount) -> Hole | None:
    draft = world.draft(described, NOBODY)
    named = _names_asked(draft)
    if not named:
        return None
    answers = [
        world.client.tried(NOBODY, draft.with_members(dict.fromkeys(named, name)))
        for name in (account.username, _stranger(account), account.username, _stranger(account))
    ]
    seen = [each for each in answers if each is not None and each.status not in _SLOWED]
    if len(seen) < len(answers):
        return None
    says = _difference(_Refusals(seen[::2], seen[1::2]))
    if not says:
        return None
    says = f"tells an account from an unknown one: {says}"
    return Hole(operation=described.name, parameter=named[0], says=says, proof=(seen[1], seen[0]))


def _names_asked(draft: RequestDraft) -> list[str]:
    """Members that name an account, of a form that asks for nothing secret."""
    if any(re.search(r"token|code|otp|passw", plain_name(key)) for key in draft.members):
        return []
    return [key for key in draft.members if re.search(r"mail|user|login|account", key, re.IGNORECASE)]
