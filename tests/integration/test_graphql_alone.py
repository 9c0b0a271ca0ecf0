"""A service that answers GraphQL alone: no document describes it, and no form leads in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
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
