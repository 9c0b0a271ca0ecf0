"""GraphQL: what it tells of itself, how much one request may ask for, and whose objects an id of another's gives.

OWASP GraphQL Cheat Sheet; the language and its introspection are those of the GraphQL specification of 2021.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.probes.api.inputs import MARK, leaves, objects, sample_text
from harness.probes.api.request import NOBODY, ApiAccount, Hole, json_of, lazily, succeeded
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
_MOST = 12
_MAKES = re.compile(r"create|add|new|make|post|save|submit", re.IGNORECASE)
_SCALARS = {"String": "", "ID": "", "Int": 1, "Float": 1.5, "Boolean": False}


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


@lazily
def schemas_told(world: World, path: str) -> list[Hole]:
    """Introspection for whoever asks: every type, field and argument there is."""
    seen = _ask(world, NOBODY, path, _INTROSPECTION)
    schema = _schema(seen)
    if seen is None or schema is None:
        return []
    says = f"answers introspection to anybody: {len(schema.types)} types with all their fields"
    return [Hole(operation=f"POST {path}", parameter="introspection", says=says, proof=(seen,))]


def answers_queries(world: World, path: str) -> bool:
    """Is whoever asks here given a field of the schema, or of any query where introspection tells none?"""
    schema = _schema(_ask(world, world.asker, path, _INTROSPECTION))
    field = _cheap(schema) if schema is not None else "__typename"
    return bool(_data(_ask(world, world.asker, path, f"{{{field}}}")))


@lazily
def endless_queries(world: World, path: str) -> list[Hole]:
    """How much one request may ask for: the same field a thousand times, many queries in one body, level on level."""
    account, found, proofs = world.asker, [], []
    schema = _schema(_ask(world, account, path, _INTROSPECTION))
    field = _cheap(schema) if schema is not None else "__typename"
    many = _ask(world, account, path, "{" + " ".join(f"a{number}:{field}" for number in range(_ALIASES)) + "}")
    if many is not None and len(_data(many)) == _ALIASES:
        found.append(f"the field {field} {_ALIASES:,} times")
        proofs.append(many)
    batch = world.client.heard(account, "POST", path, json=[{"query": "{__typename}"}] * _BATCH)
    listed = json_of(batch)
    if batch is not None and isinstance(listed, list) and sum("data" in each for each in objects(listed)) == _BATCH:
        found.append(f"{_BATCH} queries in one body")
        proofs.append(batch)
    deep = _nested(schema) if schema is not None else ""
    seen = _ask(world, account, path, deep) if deep else None
    if seen is not None and succeeded(seen) and _data(seen) and not _errors(seen):
        found.append(f"{_LEVELS} levels of objects in each other")
        proofs.append(seen)
    if not found:
        return []
    says = f"answers whatever one request asks for: {', '.join(found)}"
    return [Hole(operation=f"POST {path}", parameter="size of a query", says=says, proof=tuple(proofs[:1]))]


def graph_objects(world: World, path: str, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """Objects of one account that another one gets by their ids."""
    schema = _schema(_ask(world, victim, path, _INTROSPECTION))
    if schema is None:
        return
    _make(world, path, schema, victim)
    for listing in [each for each in schema.types.get(schema.query, ()) if not _required(each)][:_MOST]:
        shown = _listed(world, path, schema, listing, victim)
        theirs = _listed(world, path, schema, listing, thief)
        known = {str(value) for each in theirs for value in each.values()}
        for getter in [each for each in schema.types[schema.query] if each.kind == listing.kind and _required(each)]:
            named = [each for each in _required(getter) if re.search(r"id$|uuid|slug|key", each, re.IGNORECASE)]
            hole = None
            for thing in shown if len(_required(getter)) == 1 and named else ():
                key = next((thing[each] for each in (named[0], "id", "uuid", "slug", "key") if each in thing), None)
                texts = [str(each) for each in thing.values() if len(str(each)) >= 6 and str(each) not in known]
                if key is None or str(key) in known:
                    continue
                query = f"{{{getter.name}({named[0]}:{_literal(key, getter.takes[named[0]][0])})"
                query += f"{{{schema.scalars(getter.kind)}}}}}"
                hole = _taken(world, path, query, (victim, thief), [each for each in texts if each != str(key)])
                if hole is not None:
                    yield hole
                    break
            if hole is not None:
                break


def _taken(world: World, path: str, query: str, pair: tuple[ApiAccount, ApiAccount], texts: list[str]) -> Hole | None:
    victim, thief = pair
    seen, nobody = (_ask(world, each, path, query) for each in (thief, NOBODY))
    held = [each for each in texts if seen is not None and each in seen.text]
    if seen is None or not held or (nobody is not None and held[0] in nobody.text):
        return None
    says = f"gave {thief.name} what is {victim.name}'s: {query} is answered with {held[0]!r}"
    return Hole(operation=f"POST {path}", parameter=f"field {query[1:].partition('(')[0]}", says=says, proof=(seen,))


def _listed(world: World, path: str, schema: _Schema, field: _Field, account: ApiAccount) -> list[Mapping[str, Any]]:
    """What an account is shown by a field of the query that gives objects: plain members alone."""
    plain = schema.scalars(field.kind)
    if not plain:
        return []
    return [
        each for each in objects(_data(_ask(world, account, path, f"{{{field.name}{{{plain}}}}}"))) if len(each) > 1
    ]


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
        return json.dumps(_SCALARS[kind] if _SCALARS[kind] != "" else sample_text({}, ""))
    members = schema.inputs.get(kind, ())
    given = [f"{name}:{json.dumps(_SCALARS[each] or f'{MARK}')}" for name, each, _ in members if each in _SCALARS]
    needed = [name for name, each, must in members if must and each not in _SCALARS]
    return f"{{{','.join(given)}}}" if given and not needed else ""


def _required(field: _Field) -> list[str]:
    return [name for name, (_, must) in field.takes.items() if must]


def _literal(value: object, kind: str) -> str:
    return str(value) if kind == "Int" else json.dumps(str(value))


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
    single = {name: [each for each in fields if not each.is_list] for name, fields in schema.types.items()}
    for field in single.get(kind, ()):
        if field.kind == kind and not _required(field):
            return (field.name,)
        back = [each for each in single.get(field.kind, ()) if each.kind == kind and not _required(each)]
        if back and not _required(field):
            return (field.name, back[0].name)
    return ()


def _ask(world: World, account: ApiAccount, path: str, query: str) -> Exchange | None:
    return world.client.heard(account, "POST", path, json={"query": query})


def _data(answer: Exchange | None) -> Mapping[str, Any]:
    body = json_of(answer)
    data = body.get("data") if isinstance(body, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _errors(answer: Exchange) -> bool:
    body = json_of(answer)
    return isinstance(body, Mapping) and bool(body.get("errors"))


def _schema(answer: Exchange | None) -> _Schema | None:
    """What introspection told; None where it told nothing."""
    told = _data(answer).get("__schema")
    if not isinstance(told, Mapping) or not isinstance(told.get("types"), list):
        return None
    listed = [
        each for each in told["types"] if isinstance(each, Mapping) and not str(each.get("name")).startswith("__")
    ]
    types = {
        str(each["name"]): tuple(map(_field, each["fields"]))
        for each in listed
        if each.get("kind") in ("OBJECT", "INTERFACE") and isinstance(each.get("fields"), list)
    }
    inputs = {
        str(each["name"]): tuple((str(one["name"]), *_kind(one["type"])) for one in each["inputFields"])
        for each in listed
        if isinstance(each.get("inputFields"), list)
    }
    names = [(told.get(key) or {}).get("name", "") for key in ("queryType", "mutationType")]
    return _Schema(str(names[0]), str(names[1]), types, inputs) if names[0] in types else None


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
