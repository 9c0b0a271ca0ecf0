"""The notes of the shop by GraphQL: as much of the language as a field, its arguments and an alias."""

from __future__ import annotations

import json
import re

from core import OPEN, TEXT, Answer, Ask, Refusal, route, rows, thing

NAMED = {"kind": "SCALAR", "name": "String", "ofType": None}
KEY = {"kind": "NON_NULL", "name": None, "ofType": {"kind": "SCALAR", "name": "ID", "ofType": None}}
NOTE = {"kind": "OBJECT", "name": "Note", "ofType": None}
USER = {"kind": "OBJECT", "name": "User", "ofType": None}
MOST_FIELDS, DEEPEST = 200, 12


def field(name: str, kind: dict, **takes: dict) -> dict:
    """A field as introspection tells it."""
    return {"name": name, "args": [{"name": key, "type": each} for key, each in takes.items()], "type": kind}


TYPES = {
    "Query": [field("me", USER), field("notes", {"kind": "LIST", "name": None, "ofType": NOTE}),
              field("note", NOTE, id=KEY)],
    "Note": [field("id", KEY), field("title", NAMED), field("text", NAMED), field("author", USER)],
    "User": [field("username", NAMED), field("self", USER),
             field("notes", {"kind": "LIST", "name": None, "ofType": NOTE})],
}  # fmt: skip
SCHEMA = {
    "queryType": {"name": "Query"},
    "mutationType": None,
    "types": [{"kind": "OBJECT", "name": name, "fields": each, "inputFields": None} for name, each in TYPES.items()],
}


def read_fields(words: list[str]) -> list[tuple[str, str, dict, list]]:
    """Fields up to the brace that closes: alias, name, arguments, fields of its own."""
    found = []
    while (name := words.pop(0)) != "}":
        alias = name
        if words[0] == ":":
            words.pop(0)
            name = words.pop(0)
        takes = {}
        if words[0] == "(":
            words.pop(0)
            while (key := words.pop(0)) != ")":
                words.pop(0)
                takes[key] = json.loads(words.pop(0))
        inner = read_fields(words[1:]) if words[0] == "{" else []
        if words[0] == "{":
            skip_braces(words)
        found.append((alias, name, takes, inner))
    return found


def skip_braces(words: list[str]) -> None:
    """Leave out what was read."""
    depth = 0
    while True:
        depth += {"{": 1, "}": -1}.get(words.pop(0), 0)
        if depth == 0:
            return


def size_of(fields: list, depth: int = 1) -> tuple[int, int]:
    """How many fields, and how deep."""
    inner = [size_of(each[3], depth + 1) for each in fields if each[3]]
    return len(fields) + sum(count for count, _ in inner), max([depth, *(deep for _, deep in inner)])


def note_of(row: dict) -> dict:
    """A note, and who wrote it."""
    return {"__typename": "Note", **row, "author": lambda: user_of(row["owner"])}


def user_of(name: str) -> dict:
    """An account, and its notes."""
    return {"__typename": "User", "username": name, "self": lambda: user_of(name), "notes": lambda: own_notes(name)}


def own_notes(name: str) -> list:
    """All notes of an account."""
    return [note_of(row) for row in rows("SELECT id, owner, title, text FROM notes WHERE owner = ?", name)]


def one_note(ask: Ask, key: str) -> dict | None:
    """A note of one's own."""
    found = rows("SELECT id, owner, title, text FROM notes WHERE id = ?", str(key))
    is_own = found and (found[0]["owner"] == ask.user["username"] or "graph_object" in OPEN)
    return note_of(found[0]) if is_own else None


def given(value: object, fields: list) -> object:
    """What is asked for of a value."""
    if callable(value):
        value = value()
    if isinstance(value, list):
        return [given(each, fields) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        alias: given(value[name](**takes) if takes else value.get(name), inner) for alias, name, takes, inner in fields
    }


@route("POST", "/api/v2/graphql", login=False, body=thing(query={**TEXT, "example": "{me{username}}"}))
def graphql(ask: Ask) -> Answer:
    """Ask for what is needed of one's notes."""
    words = re.findall(r'"[^"\\\n]*"|\w+|[{}():]', ask.text("query", longest=200_000).partition("{")[2])
    try:
        fields = read_fields(words)
    except (IndexError, ValueError, RecursionError):
        return Answer({"errors": [{"message": "this is no query"}]}, 400)
    is_introspection = all(name.startswith("__") for _, name, _, _ in fields)
    if not ask.user and not (is_introspection and "graph_told" in OPEN):
        raise Refusal(401, "log in first")
    count, depth = size_of(fields)
    if (count > MOST_FIELDS or depth > DEEPEST) and "graph_endless" not in OPEN:
        return Answer({"errors": [{"message": "too much is asked for"}]}, 400)
    whole = {"__typename": "Query", "__schema": SCHEMA, "me": lambda: user_of(ask.user["username"]),
             "notes": lambda: own_notes(ask.user["username"]), "note": lambda id: one_note(ask, id)}  # noqa: A006  # fmt: skip
    try:
        return Answer({"data": given(whole, fields)})
    except TypeError:
        return Answer({"errors": [{"message": "no such field"}]}, 400)
