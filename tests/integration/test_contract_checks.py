"""What the checks of a contract say of a service by its URL alone: fail, pass, or a skip where nothing was checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.machine.bundle import root
from tests.scripted_server import Line, ScriptedServer

Seen = Mapping[tuple[str, str], tuple[str, str]]
"""Check and subject -> outcome, and what was said."""


def describing(kind: str, schema: Any) -> dict[str, Any]:
    return {"get": {"responses": {"200": {"description": "ok", "content": {kind: {"schema": schema}}}}}}


def serving(answers: Mapping[str, tuple[str, str]]) -> Callable[[Line], None]:
    """A script that answers GET with (media type, body) by path, and HEAD with its head: at /api/bad with the length of
    an empty body, at /api/other with the body. A stream has no end; at /api/bare a second answer comes unasked."""

    def script(line: Line) -> None:
        while head := line.read():
            method, path = (word.decode().partition("?")[0] for word in head.split()[:2])
            kind, body = answers.get(path, ("", ""))
            status = "200 OK" if kind else "404 Not Found"
            said = f"HTTP/1.1 {status}\r\nContent-Type: {kind or 'text/plain'}\r\n"
            if kind in ("text/event-stream", "application/x-ndjson"):
                line.say(f"{said}\r\ndata: tick\n\n".encode())
                line.read()
                return
            length = 0 if (method, path) == ("HEAD", "/api/bad") else len(body.encode())
            has_body = method == "GET" or path == "/api/other"
            times = 2 if (method, path) == ("GET", "/api/bare") else 1
            line.say(f"{said}Content-Length: {length}\r\n\r\n{body if has_body else ''}".encode() * times)

    return script


def ask(answers: Mapping[str, tuple[str, str]], folder: Path) -> Seen:
    """Run suite e2e against such a service."""
    with ScriptedServer(serving(answers)) as server:
        command = [sys.executable, "-m", "harness", "run", "e2e", "--url", server.url, "--json", "--out", str(folder)]
        done = subprocess.run(
            [*command, "--", "-k", "openapi or answers or head_is or behind or called_json"],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(root())},
            check=False,
        )
    assert done.returncode in (0, 1), done.stderr
    run = folder / "runs" / json.loads(done.stdout)["run"]
    lines = [json.loads(line) for line in (run / "evidence.jsonl").read_text().splitlines()]
    return {
        (line["check"], line["subject"]): (
            line["outcome"],
            " ".join(str(line["detail"].get("message") or line["detail"].get("reason") or "").split()),
        )
        for line in lines
    }


def documented(paths: Mapping[str, Any], **more: Any) -> str:
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths, **more})


def test_each_answer_is_held_to_its_description(tmp_path: Path) -> None:
    price = {"type": "array", "items": {"type": "object", "properties": {"price": {"multipleOf": 0.01}}}}
    paths = {
        "/good": describing("application/*", price),
        "/bad": describing("application/json", price),
        "/bare": {"get": {"responses": {"200": {"description": "ok", "content": {"application/json": {}}}}}},
        "/nan": describing("application/json", {"type": "object"}),
        "/outside": describing("application/json", {"$ref": "https://127.0.0.1:1/x"}),
        "/other": describing("text/csv", {"type": "string"}),
        "/unread": {"get": {"parameters": 5, "responses": {}}},
        "/events": describing("text/event-stream", {"type": "string"}),
        "/lines": describing("application/x-ndjson", {"type": "object"}),
        "/null": {"get": {"parameters": None, **describing("application/json", {"type": "array"})["get"]}},
    }
    document = documented(paths, servers=[{"url": "./"}])
    kind = "application/json"
    answers = {
        "/api/openapi.json": (kind, document),
        "/api/good": (kind, '[{"price": 4.02}]'),
        "/api/bad": (kind, '[{"price": 19.99}, {"price": 19.995}]'),
        "/api/bare": (kind, "[]"),
        "/api/nan": (kind, '{"a": NaN}'),
        "/api/outside": (kind, "{}"),
        "/api/other": (kind, '{"id": 1, "id": 2}'),
        "/api/events": ("text/event-stream", ""),
        "/api/lines": ("application/x-ndjson", ""),
        "/api/null": (kind, "[]"),
    }
    seen = ask(answers, tmp_path)
    bodies = {
        subject.removeprefix("GET /api/"): said for (check, subject), said in seen.items() if check.endswith("bodies")
    }
    outcomes = {name: outcome for name, (outcome, _) in bodies.items() if name != "GET /"}
    assert outcomes == {
        "good": "pass", "bad": "fail", "bare": "skip", "nan": "fail", "outside": "skip", "other": "skip",
        "events": "skip", "lines": "skip", "null": "pass",
    }  # fmt: skip
    told = "GET /api/bad answered 200 as application/json: $[1].price: 19.995 is not a multiple of 0.01"
    assert told in bodies["bad"][1]
    assert "NaN is no JSON" in bodies["nan"][1]
    assert "leads out of the document" in bodies["outside"][1]
    assert seen["openapi.answers", "GET /api/other"][0] == "fail"
    assert (
        "GET /api/other answered 200 as application/json; the document describes text/csv"
        in (seen["openapi.answers", "GET /api/other"][1])
    )
    assert seen["openapi.answers", "GET /api/events"][0] == seen["api.answers", "GET /api/events"][0] == "pass"
    assert seen["openapi.answers", "GET /api/lines"][0] == seen["api.answers", "GET /api/lines"][0] == "pass"
    assert seen["api.head", "HEAD /api/good"][0] == "pass"
    bad = seen["api.head", "HEAD /api/bad"]
    assert bad[0] == "fail"
    assert bad[1].startswith("HEAD /api/bad says Content-Length: 0, and GET answers with ")
    assert seen["api.head", "HEAD /api/other"] == (
        "fail",
        'HEAD /api/other is answered with a body: b\'{"id": 1, "id": 2}\'',
    )
    framed = {subject: said for (check, subject), said in seen.items() if check == "api.framing"}
    assert {subject for subject, (outcome, _) in framed.items() if outcome == "fail"} == {
        "GET /api/bare",
        "GET /api/other",
    }
    assert framed["GET /api/bare"][1].startswith("GET /api/bare answered 200, and behind the answer's end came ")
    assert framed["GET /api/good"][0] == framed["GET /api/events"][0] == "pass"
    read = {subject: said for (check, subject), said in seen.items() if check == "api.json"}
    assert {subject for subject, (outcome, _) in read.items() if outcome == "fail"} == {
        "GET /api/nan",
        "GET /api/other",
    }
    assert "with an object that says 'id' twice" in read["GET /api/other"][1]
    assert read["GET /api/good"][0] == "pass"
    assert "/paths/~1null/get/parameters" in seen["openapi.nulls", "GET"][1]
    assert seen["openapi.unread", "GET"][1].startswith("GET /unread cannot be read, and is not tried")
    assert ("api.answers", "GET /api/unread") not in seen


@pytest.mark.parametrize(
    ("document", "outcome", "says"),
    [
        ('{"openapi": "4.0.0", "paths": {}}', "skip", "found openapi = '4.0.0'"),
        ('{"openapi": "3.0.3", "paths": {}, "x": "' + "x" * 8 * 2**20 + '"}', "skip", "longer than"),
        ("openapi: 3.0.3\npaths: &p {a: *p}\n", "skip", "leads to itself"),
        ('{"openapi": "3.0.3", "paths": {"/x": {"get": {"responses": {}}}, "info"', "skip", "no OpenAPI document"),
    ],
)
def test_a_document_that_cannot_be_read_is_one_line_and_no_fault(
    document: str, outcome: str, says: str, tmp_path: Path
) -> None:
    seen = ask({"/openapi.json": ("application/json", document), "/": ("text/html", "<title>x</title>")}, tmp_path)
    found = {said for (check, _), said in seen.items() if check.startswith("openapi.")}
    assert {one for one, _ in found} == {outcome}
    assert len(found) == 1, "one line for all"
    assert says in found.pop()[1]
    assert seen["api.answers", "GET /"][0] == "pass"


def test_a_description_in_yaml_and_one_in_swagger(tmp_path: Path) -> None:
    yaml = (
        "swagger: '2.0'\ninfo: {title: t, version: '1'}\nbasePath: /v1\nproduces: [application/json]\npaths:\n  /x:\n"
        "    get: {responses: {200: {description: ok, schema: {type: array}}}}\n"
    )
    seen = ask({"/openapi.json": ("application/yaml", yaml), "/v1/x": ("application/json", "{}")}, tmp_path)
    assert {outcome for (check, _), (outcome, _) in seen.items() if check == "openapi.operations"} == {"pass"}
    assert seen["openapi.answers", "GET /v1/x"][0] == "pass"
    outcome, said = seen["openapi.bodies", "GET /v1/x"]
    assert outcome == "fail"
    assert '$: {} is not of type "array"' in said


def test_a_refusal_that_the_document_describes_is_no_fault_of_what_it_shows(tmp_path: Path) -> None:
    said = {"description": "no parameter was given"}
    refusing = {"get": {"responses": {"200": {"description": "ok"}, "404": said}}}
    paths = {"/download": refusing, "/lost": {"get": {"responses": {"200": {"description": "ok"}}}}}
    seen = ask({"/openapi.json": ("application/json", documented(paths)), "/": ("text/html", "<p>x")}, tmp_path)
    assert seen["api.answers", "GET /download"][0] == "skip"
    assert seen["api.answers", "GET /lost"][0] == "fail"


def test_what_a_list_holds_is_asked_for_by_what_the_path_calls_it(tmp_path: Path) -> None:
    kind = "application/json"
    item = {"type": "object", "required": ["name"]}

    def below(name: str) -> dict[str, Any]:
        named = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
        return {"get": {**describing(kind, item)["get"], "parameters": named}}

    listed = '[{"id": 7, "slug": "kettle", "name": "Kettle"}]'
    whole = (kind, '{"name": "Kettle"}')
    lists = ("cups", "pots", "pans", "jars", "urns")
    paths = {f"/{name}": describing(kind, {"type": "array"}) for name in lists}
    paths |= {
        "/cups/{slug}": below("slug"),
        "/pots/{pot_id}": below("pot_id"),
        "/pans/{shop}": below("shop"),
        "/jars/{shelfId}": below("shelfId"),
        "/urns/{id}": below("id"),
    }
    # the lid of an urn is missing: it is listed, and not there
    answers = {f"/{name}": (kind, listed) for name in lists} | {"/cups/kettle": whole, "/pots/7": whole}
    seen = ask({"/openapi.json": (kind, documented(paths)), **answers}, tmp_path)
    outcomes = {name: seen["openapi.members", f"below GET /{name}"][0] for name in lists}
    assert outcomes == {"cups": "pass", "pots": "pass", "pans": "skip", "jars": "skip", "urns": "fail"}
    assert "GET /urns/{id} answers 200 to none of [7]" in seen["openapi.members", "below GET /urns"][1]
