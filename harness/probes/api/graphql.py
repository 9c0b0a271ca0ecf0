"""GraphQL: what it tells of itself, how much one request may ask for, and whose objects an id of another's gives.

OWASP GraphQL Cheat Sheet; the language and its introspection are those of the GraphQL specification of 2021.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from harness.probes.api.inputs import leaves, objects, sample_text
from harness.probes.api.request import NOBODY, ApiAccount, Hole, json_of, succeeded
from harness.probes.api.world import World
from harness.probes.exchange import Exchange

_PLACES = ("/graphql", "/api/graphql", "/graphql/", "/v1/graphql", "/query", "/gql")
_TYPE = "kind name ofType{kind name ofType{kind name ofType{kind name}}}"
_INTROSPECTION = (
    "{__schema{queryType{name} mutationType{name} types{kind name"
    f" fields{{name args{{name type{{{_TYPE}}}}} type{{{_TYPE}}}}} inputFields{{name type{{{_TYPE}}}}}}}}}}}"
)
_ALIASES = 1_000
_BATCH = 100
_LEVELS = 40
_DEEPEST_LIST = 3
_MOST = 12
_LONG = 6
_MAKES = re.compile(r"create|add|new|make|post|save|submit", re.IGNORECASE)
_SCALARS = {"String": None, "ID": None, "Int": 1, "Float": 1.5, "Boolean": False}
"""Plain types, and a value of each; None for a text of its own."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a type: what it takes, and what it gives."""

    name: str
    kind: str
    """The type without lists and without its mark that it is never null."""
    is_list: bool
    takes: Mapping[str, tuple[str, bool]]
    """Name of an argument -> its type, and whether it must be given."""


@dataclass(frozen=True, slots=True)
class _Schema:
    query: str
    mutation: str
    types: Mapping[str, tuple[_Field, ...]]
    inputs: Mapping[str, tuple[tuple[str, str, bool], ...]]

    def scalars(self, kind: str) -> str:
        """Names of the fields of an object that are no objects."""
        return " ".join(each.name for each in self.types.get(kind, ()) if each.kind not in self.types)


def graph_of(world: World) -> str:
    """Where the service answers GraphQL; "" for nowhere."""
    named = [each.operation.path for each in world.operations if re.search(r"graphql|gql", each.operation.path)]
    for path in dict.fromkeys((*named, *_PLACES)):
        for account in dict.fromkeys((world.asker.name, NOBODY.name)):
            asking = NOBODY if account == NOBODY.name else world.asker
            body = _data(_ask(world, asking, path, "{__typename}"))
            if isinstance(body.get("__typename"), str):
                return path
    return ""


def schemas_told(world: World, path: str) -> Iterator[Hole]:
    """Introspection for whoever asks: every type, field and argument there is."""
    seen = _ask(world, NOBODY, path, _INTROSPECTION)
    schema = _schema(seen)
    if seen is not None and schema is not None:
        says = f"answers introspection to anybody: {len(schema.types)} types with all their fields"
        yield Hole(operation=f"POST {path}", parameter="introspection", says=says, proof=(seen,))


def answers_queries(world: World, path: str) -> bool:
    """Is whoever asks here given a field of the schema, or of any query where introspection tells none?"""
    schema = _schema(_ask(world, world.asker, path, _INTROSPECTION))
    field = _cheap(schema) if schema is not None else "__typename"
    return bool(_data(_ask(world, world.asker, path, f"{{{field}}}")))


def endless_queries(world: World, path: str) -> Iterator[Hole]:
    """How much one request may ask for: the same field a thousand times, many queries in one body, level on level."""
    schema = _schema(_ask(world, world.asker, path, _INTROSPECTION))
    field = _cheap(schema) if schema is not None else "__typename"
    tried = (
        (f"the field {field} {_ALIASES:,} times", _aliased(world, path, field)),
        (f"{_BATCH} queries in one body", _batched(world, path)),
        (f"{_LEVELS} levels of objects in each other", _deepened(world, path, schema)),
    )
    found = [(what, answer) for what, answer in tried if answer is not None]
    if found:
        says = f"answers whatever one request asks for: {', '.join(what for what, _ in found)}"
        # a long request is cut where it is shown, and cannot be repeated from there
        shortest = min((answer for _, answer in found), key=lambda answer: answer.request_size)
        yield Hole(operation=f"POST {path}", parameter="size of a query", says=says, proof=(shortest,))


def _aliased(world: World, path: str, field: str) -> Exchange | None:
    query = "{" + " ".join(f"a{number}:{field}" for number in range(_ALIASES)) + "}"
    seen = _ask(world, world.asker, path, query)
    return seen if len(_data(seen)) == _ALIASES else None


def _batched(world: World, path: str) -> Exchange | None:
    seen = world.client.heard(world.asker, "POST", path, json=[{"query": "{__typename}"}] * _BATCH)
    listed = json_of(seen)
    is_whole = isinstance(listed, list) and sum("data" in each for each in objects(listed)) == _BATCH
    return seen if is_whole else None


def _deepened(world: World, path: str, schema: _Schema | None) -> Exchange | None:
    deep = _nested(schema) if schema is not None else ""
    seen = _ask(world, world.asker, path, deep) if deep else None
    return seen if succeeded(seen) and _data(seen) and not json_of(seen).get("errors") else None


def graph_objects(world: World, path: str, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """Objects of one account that another one gets by their ids."""
    schema = _schema(_ask(world, victim, path, _INTROSPECTION))
    if schema is None:
        return
    _make(world, path, schema, victim)
    told: set[str] = set()
    for query, texts in _asked(world, path, schema, (victim, thief)):
        hole = _taken(world, path, query, (victim, thief), texts)
        if hole is not None and hole.parameter not in told:
            told.add(hole.parameter)
            yield hole


def objects_asked(world: World, path: str) -> bool:
    """Does GraphQL show an account of a pair what another field gives by its key? Without it nothing can be tried."""
    if world.pair is None or (schema := _schema(_ask(world, world.pair[0], path, _INTROSPECTION))) is None:
        return False
    _make(world, path, schema, world.pair[0])
    return any(True for _ in _asked(world, path, schema, world.pair))


def _asked(
    world: World, path: str, schema: _Schema, pair: tuple[ApiAccount, ApiAccount]
) -> Iterator[tuple[str, list[str]]]:
    """Queries for one thing by its key, and what of it only the first account has listed."""
    for way in islice(_listings(schema), _MOST):
        shown, theirs = (_listed(world, path, schema, way, each) for each in pair)
        known = {str(value) for each in theirs for value in each.values()}
        yield from islice(_asked_for(schema, way[-1].kind, shown, known), _MOST)


def _listings(schema: _Schema) -> Iterator[tuple[_Field, ...]]:
    """Ways from the query to objects, by fields that ask for nothing: `notes`, `me notes`, `notes edges node`."""
    ahead: list[tuple[_Field, ...]] = [()]
    while ahead:
        way = ahead.pop(0)
        kind, passed = (way[-1].kind, {each.kind for each in way}) if way else (schema.query, set())
        for each in schema.types.get(kind, ()):
            if each.kind in schema.types and not _required(each) and each.kind not in passed:
                yield (*way, each)
                ahead += [(*way, each)] if len(way) + 1 < _DEEPEST_LIST else []


def _asked_for(
    schema: _Schema, kind: str, shown: Iterable[Mapping[str, Any]], known: set[str]
) -> Iterator[tuple[str, list[str]]]:
    getters = [each for each in schema.types[schema.query] if _key_asked(each) and _may_give(each, kind)]
    for getter, thing in product(getters, shown):
        name = _key_asked(getter)
        key = _key_of(thing, name)
        if key is None or key in known:
            continue
        members = schema.scalars(kind)
        inner = members if getter.kind == kind else f"...on {kind}{{{members}}}"
        query = f"{{{getter.name}({name}:{_literal(key, getter.takes[name][0])}){{{inner}}}}}"
        yield query, [each for each in map(str, thing.values()) if len(each) >= _LONG and each not in known | {key}]


def _may_give(getter: _Field, kind: str) -> bool:
    """Does a field give such things, or any thing that there is (Global Object Identification)?"""
    return getter.kind == kind or (getter.name, getter.kind) == ("node", "Node")


def _key_of(thing: Mapping[str, Any], name: str) -> str | None:
    key = next((thing[each] for each in (name, "id", "uuid", "slug", "key") if each in thing), None)
    return str(key) if key is not None else None


def _key_asked(getter: _Field) -> str:
    """The one argument by which a field finds a thing; "" where it asks for none, or for more."""
    asked = _required(getter) or list(getter.takes)
    is_key = len(asked) == 1 and re.search(r"id$|uuid|slug|key", asked[0], re.IGNORECASE)
    return asked[0] if is_key else ""


def _taken(world: World, path: str, query: str, pair: tuple[ApiAccount, ApiAccount], texts: list[str]) -> Hole | None:
    victim, thief = pair
    seen, nobody = (_ask(world, each, path, query) for each in (thief, NOBODY))
    held = [each for each in texts if seen is not None and each in seen.text]
    if seen is None or not held or (nobody is not None and held[0] in nobody.text):
        return None
    says = f"gave {thief.name} what is {victim.name}'s: {query} is answered with {held[0]!r}"
    return Hole(operation=f"POST {path}", parameter=f"field {query[1:].partition('(')[0]}", says=says, proof=(seen,))


def _listed(
    world: World, path: str, schema: _Schema, way: tuple[_Field, ...], account: ApiAccount
) -> list[Mapping[str, Any]]:
    """What an account is shown by fields of the query that lead to objects: plain members alone."""
    plain = schema.scalars(way[-1].kind)
    if not plain:
        return []
    query = "{" + "{".join(each.name for each in way) + "{" + plain + "}" * (len(way) + 1)
    names = set(plain.split())
    return [each for each in objects(_data(_ask(world, account, path, query))) if len(each) > 1 and set(each) <= names]


def _make(world: World, path: str, schema: _Schema, account: ApiAccount) -> None:
    """Let an account of ours make things, by mutations that ask for plain values."""
    for field in schema.types.get(schema.mutation, ()) if account.ours else ():
        words = [f"{name}:{value}" for name in field.takes if (value := _value(schema, field.takes[name][0])) != ""]
        if _MAKES.match(field.name) and len(words) == len(field.takes):
            inner = f"{{{schema.scalars(field.kind)}}}" if field.kind in schema.types else ""
            _ask(world, account, path, f"mutation{{{field.name}({','.join(words)}){inner}}}")


def _value(schema: _Schema, kind: str) -> str:
    """A value of that type as a query writes it; "" where it is of no plain one."""
    if kind in _SCALARS:
        return _scalar(kind)
    members = schema.inputs.get(kind, ())
    if any(must and each not in _SCALARS for _, each, must in members):
        return ""
    given = [f"{name}:{_scalar(each)}" for name, each, _ in members if each in _SCALARS]
    return f"{{{','.join(given)}}}" if given else ""


def _scalar(kind: str) -> str:
    return json.dumps(sample_text({}) if _SCALARS[kind] is None else _SCALARS[kind])


def _required(field: _Field) -> list[str]:
    return [name for name, (_, must) in field.takes.items() if must]


def _literal(value: str, kind: str) -> str:
    return value if kind == "Int" else json.dumps(value)


def _cheap(schema: _Schema) -> str:
    """A field that any query may ask for, with what it must say of it."""
    for field in schema.types.get(schema.query, ()):
        plain = schema.scalars(field.kind).split()
        if not _required(field) and not field.is_list and (plain or field.kind not in schema.types):
            return field.name + (f"{{{plain[0]}}}" if plain else "")
    return "__typename"


def _nested(schema: _Schema) -> str:
    """A query that goes round in a circle of types; "" where they have none."""
    for field in schema.types.get(schema.query, ()):
        way = _circle(schema, field.kind) if not _required(field) else ()
        if way:
            names = [field.name, *(way * _LEVELS)[: _LEVELS - 1]]
            return "{" + "{".join(names) + "{__typename}" + "}" * len(names)
    return ""


def _circle(schema: _Schema, kind: str) -> tuple[str, ...]:
    """Fields that lead from a type back to it, by one or two; no lists, by which the answer grows with each level."""
    single = {
        name: [each for each in fields if not each.is_list and not _required(each)]
        for name, fields in schema.types.items()
    }
    for field in single.get(kind, ()):
        if field.kind == kind:
            return (field.name,)
        back = next((each.name for each in single.get(field.kind, ()) if each.kind == kind), "")
        if back:
            return (field.name, back)
    return ()


def _ask(world: World, account: ApiAccount, path: str, query: str) -> Exchange | None:
    return world.client.heard(account, "POST", path, json={"query": query})


def _data(answer: Exchange | None) -> Mapping[str, Any]:
    body = json_of(answer)
    data = body.get("data") if isinstance(body, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _schema(answer: Exchange | None) -> _Schema | None:
    """What introspection told; None where it told nothing."""
    told = _data(answer).get("__schema")
    if not isinstance(told, Mapping) or not isinstance(told.get("types"), list):
        return None
    types = {
        str(each["name"]): tuple(map(_field, each["fields"]))
        for each in _with_list(told["types"], "fields")
        if each.get("kind") in ("OBJECT", "INTERFACE")
    }
    inputs = {
        str(each["name"]): tuple((str(one["name"]), *_kind(one["type"])) for one in each["inputFields"])
        for each in _with_list(told["types"], "inputFields")
    }
    query, mutation = (str((told.get(key) or {}).get("name", "")) for key in ("queryType", "mutationType"))
    return _Schema(query, mutation, types, inputs) if query in types else None


def _with_list(types: Iterable[Any], member: str) -> Iterator[Mapping[str, Any]]:
    """Types of the service's own that list such members."""
    for each in types:
        if (
            isinstance(each, Mapping)
            and not str(each.get("name")).startswith("__")
            and isinstance(each.get(member), list)
        ):
            yield each


def _field(told: Mapping[str, Any]) -> _Field:
    kind, _ = _kind(told["type"])
    takes = {str(each["name"]): _kind(each["type"]) for each in told.get("args") or ()}
    is_list = "LIST" in [value for way, value in leaves(told["type"]) if way[-1] == "kind"]
    return _Field(str(told["name"]), kind, is_list, takes)


def _kind(told: Mapping[str, Any]) -> tuple[str, bool]:
    """The innermost type's name, and whether the outermost is never null."""
    must = told.get("kind") == "NON_NULL"
    while isinstance(told.get("ofType"), Mapping):
        told = told["ofType"]
    return str(told.get("name")), must
