"""A service that answers GraphQL alone: no document describes it, and no form leads in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.machine.bundle import root
from tests.scripted_server import Line, ScriptedServer

pytestmark = pytest.mark.timeout(400)
"""These checks wait until they have the machine to themselves."""

SCHEMA = {
    "queryType": {"name": "Query"},
    "mutationType": None,
    "types": [
        {
            "kind": "OBJECT",
            "name": "Query",
            "inputFields": None,
            "fields": [{"name": "ping", "args": [], "type": {"kind": "SCALAR", "name": "String", "ofType": None}}],
        }
    ],
}


class Graph:
    """Answers `ping`; unless it is open it tells nothing of itself, and takes one query of ten fields at most."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open

    def __call__(self, line: Line) -> None:
        while request := line.read():
            head, _, body = request.partition(b"\r\n\r\n")
            method, path = head.split()[:2]
            if (method, path) != (b"POST", b"/graphql"):
                line.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            said = json.dumps(self.answer(json.loads(body))).encode()
            line.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            line.say(b"Content-Length: %d\r\n\r\n%s" % (len(said), said))

    def answer(self, asked: Any) -> Any:
        if isinstance(asked, list):
            return [self.answer(each) for each in asked] if self.is_open else {"errors": [{"message": "one query"}]}
        query = str(asked.get("query", ""))
        names = re.findall(r"(?:(\w+):)?(__typename|ping)", query)
        if "__schema" in query:
            return {"data": {"__schema": SCHEMA}} if self.is_open else {"errors": [{"message": "no introspection"}]}
        if len(names) > 10 and not self.is_open:
            return {"errors": [{"message": "too much"}]}
        return {"data": {alias or name: "Query" if name == "__typename" else "pong" for alias, name in names}}


@pytest.mark.parametrize(("is_open", "outcome"), [(True, "fail"), (False, "pass")])
def test_it_is_asked_without_a_document(tmp_path: Path, *, is_open: bool, outcome: str) -> None:
    with ScriptedServer(Graph(is_open=is_open)) as server:
        command = [sys.executable, "-m", "harness", "run", "security", "--url", server.url, "--active", "--json"]
        done = subprocess.run(
            [*command, "--out", str(tmp_path), "--", "-k", "introspection or bounded_amount"],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(root())},
            check=False,
        )
    assert done.returncode in (0, 1), done.stderr
    run = tmp_path / "runs" / json.loads(done.stdout)["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    seen = {line["check"]: line["outcome"] for line in lines if line["check"].startswith("holes.graph")}
    assert seen == {"holes.graph_told": outcome, "holes.graph_limits": outcome}


def of(kind: str, *, is_list: bool = False) -> dict[str, Any]:
    """A type as introspection tells it."""
    named = {"kind": "SCALAR" if kind in ("ID", "String") else "OBJECT", "name": kind, "ofType": None}
    return {"kind": "LIST", "name": None, "ofType": named} if is_list else named


def told(name: str, kind: dict[str, Any], **takes: str) -> dict[str, Any]:
    """A field as introspection tells it."""
    return {"name": name, "args": [{"name": key, "type": of(each)} for key, each in takes.items()], "type": kind}


OBJECTS = {
    "Query": [told("viewer", of("User")), told("letter", of("Letter"), id="ID")],
    "User": [told("name", of("String")), told("letters", of("Letters"))],
    "Letters": [told("nodes", of("Letter", is_list=True))],
    "Letter": [told("id", of("ID")), told("text", of("String"))],
}
LETTERS = {"anna": ("17", "dear anna, yours alone"), "ben": ("18", "dear ben, yours alone")}


class Letters(Graph):
    """Shows each account its letters below itself, and one by its id: to whoever has it, or to its owner alone."""

    def __call__(self, line: Line) -> None:
        while request := line.read():
            head, _, body = request.partition(b"\r\n\r\n")
            if head.split()[:2] != [b"POST", b"/graphql"]:
                line.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            asks = re.search(rb"Bearer token-of-(\w+)", head)
            said = json.dumps(
                {"data": self.given(json.loads(body)["query"], asks[1].decode() if asks else "")}
            ).encode()
            line.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
            line.say(b"Content-Length: %d\r\n\r\n%s" % (len(said), said))

    def given(self, query: str, asks: str) -> Mapping[str, Any] | None:
        if found := re.search(r'login\(name:"(\w+)",password:"word of \1"\)', query):
            return {"login": {"token": f"token-of-{found[1]}"}}
        if "__schema" in query:
            types = [
                {"kind": "OBJECT", "name": name, "fields": each, "inputFields": None} for name, each in OBJECTS.items()
            ]
            return {"__schema": {"queryType": {"name": "Query"}, "mutationType": None, "types": types}}
        if "__typename" in query:
            return {"__typename": "Query"}
        if asks not in LETTERS:
            return None
        if found := re.search(r'letter\(id:"(\d+)"\)', query):
            owner, text = next((name, text) for name, (key, text) in LETTERS.items() if key == found[1])
            return {"letter": {"id": found[1], "text": text} if owner == asks or self.is_open else None}
        key, text = LETTERS[asks]
        inner = {"letters": {"nodes": [{"id": key, "text": text}]}} if "nodes" in query else {"name": asks}
        return {"viewer": inner}


PROFILE = """
schema = 1
name = "letters"
[service]
url = "@URL@"
[auth]
login = "/graphql"
token = "data.login.token"
body = { query = 'mutation{{login(name:"{username}",password:"{password}"){{token}}}}' }
[auth.roles.user]
username = "anna"
password = "{env.WORD_OF_ANNA}"
[auth.second.user]
username = "ben"
password = "{env.WORD_OF_BEN}"
"""


@pytest.mark.parametrize(("is_open", "outcome"), [(True, "fail"), (False, "pass")])
def test_what_is_anothers_is_asked_for_by_its_id(tmp_path: Path, *, is_open: bool, outcome: str) -> None:
    with ScriptedServer(Letters(is_open=is_open)) as server:
        (tmp_path / "letters.toml").write_text(PROFILE.replace("@URL@", server.url))
        words = {"WORD_OF_ANNA": "word of anna", "WORD_OF_BEN": "word of ben"}
        options = [
            "--target",
            "letters.toml",
            "--active",
            "--json",
            "--out",
            str(tmp_path),
            "--",
            "-k",
            "reads_what_is",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "harness", "run", "security", *options],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env={**os.environ, **words, "PYTHONPATH": str(root())},
            check=False,
        )
    assert done.returncode in (0, 1), done.stderr
    run = tmp_path / "runs" / json.loads(done.stdout)["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    seen = {(line["outcome"], line["subject"]) for line in lines if line["check"] == "holes.objects_read"}
    assert seen == {(outcome, "POST /graphql, field letter" if is_open else "every read")}
