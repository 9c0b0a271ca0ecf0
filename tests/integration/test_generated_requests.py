"""Requests that are made of a document: each planted mistake is named, a sound service is not, and nothing leaves but
by the client.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from harness.errors import SafetyError
from harness.probes.effects import find_effects
from harness.probes.exchange import SentRequest
from harness.probes.generated import Bounds, Fault, generate_requests, seed_of
from harness.probes.http import RecordingClient
from harness.probes.openapi import load_document
from tests.described_service import TOKEN, described_service
from tests.scripted_server import ScriptedServer

pytestmark = pytest.mark.timeout(300)
PLENTY = 120.0
"""Seconds, so that on a busy machine too the number of requests is what ends a run."""


def api_of(service):
    return load_document(json.dumps(service.document).encode(), service.url, "/openapi.json")


def run(service, *, writes=True, requests=150, operations=None, credentials=None, seed=None, invalid=True):
    api = api_of(service)
    chosen = operations or [one for one in api.operations if not one.acts]
    bounds = Bounds(
        seed=seed_of(api) if seed is None else seed, requests=requests, seconds=PLENTY, writes=writes, invalid=invalid
    )
    with RecordingClient(service.url, timeout_s=10) as client:
        return generate_requests(api, chosen, service.url, lambda: client, bounds, credentials)


def test_a_sound_service_is_not_accused():
    with described_service() as service:
        done = run(service)
    assert done.faults == ()
    assert done.limits == ()
    assert done.uncalled == ()
    for kind in ("server_error", "status", "body", "accepted_invalid", "refused_valid", "method", "freed", "header"):
        assert done.tried[kind], f"{kind} was not tried"


@pytest.mark.parametrize(
    ("planted", "kind", "operation"),
    [
        ("server_error", "server_error", "GET /items"),
        ("status", "status", "GET /items"),
        ("media_type", "media_type", "GET /items"),
        ("body", "body", "GET /items"),
        ("header", "header", "POST /items"),
        ("refused_valid", "refused_valid", "POST /items"),
        ("accepted_invalid", "accepted_invalid", "POST /items"),
        ("login", "login", "GET /me"),
        ("freed", "freed", "GET /items/{item_id}"),
        ("chain", "server_error", "GET /people/{person_id}"),
    ],
)
def test_a_mistake_is_one_fault_with_the_requests_that_show_it(planted, kind, operation):
    with described_service(planted) as service:
        done = run(service)
    assert {fault.kind for fault in done.faults} == {kind}
    assert [fault.operation for fault in done.faults][:1] == [operation]
    assert len(done.faults) == 1
    (fault,) = done.faults
    assert fault.sent
    assert fault.says.startswith(f"{fault.sent[-1].method} /")


@pytest.mark.parametrize("ends", [False, True])
def test_an_operation_that_is_not_answered_is_one_fault(ends):
    def script(line):
        line.read()
        if not ends:
            line.read()

    paths = {"/wait": {"get": {"responses": {"200": {"description": "ok"}}}}}
    document = {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}
    with ScriptedServer(script) as server, RecordingClient(server.url, timeout_s=0.3) as client:
        api = load_document(json.dumps(document).encode(), server.url, "/openapi.json")
        bounds = Bounds(seed=1, requests=10, seconds=PLENTY, writes=False, invalid=True)
        done = generate_requests(api, api.operations, server.url, lambda: client, bounds, {})
    assert ([fault.kind for fault in done.faults], done.limits) == (["unanswered"], ())


@pytest.mark.parametrize(
    ("change", "is_plain"),
    [
        ({}, True),
        ({"url": "http://127.0.0.1/shop/items?limit=1"}, False),
        ({"url": "http://127.0.0.1/items"}, False),
        ({"method": "POST"}, False),
        ({"request_headers": (("Host", "h"), ("X-Tenant", "a"))}, False),
        ({"kind": "server_error"}, False),
        ({"places": ("GET /items", "GET /people")}, False),
    ],
)
def test_what_a_plain_read_shows_is_known_as_such(change, is_plain):
    sent = {
        "method": "GET",
        "url": "http://127.0.0.1/shop/items",
        "request_headers": (("Host", "h"), ("Accept", "*/*")),
    }
    told = {"kind": "status", "places": ("GET /items",)}
    asked = SentRequest(**{name: change.get(name, value) for name, value in sent.items()})
    kind, places = (change.get(name, value) for name, value in told.items())
    fault = Fault(kind=kind, operation="GET /items", says="", places=places, seen=1, sent=(asked,))
    assert fault.is_of_plain_read("http://127.0.0.1/shop/", ["/", "/items"]) is is_plain


def test_a_method_that_nobody_described_is_a_fault_of_the_whole():
    with described_service("method") as service:
        done = run(service, writes=False, operations=[one for one in api_of(service).operations if one.is_safe])
    assert [fault.kind for fault in done.faults] == ["method"]
    assert len(done.faults[0].places) > 1


def test_a_method_that_the_service_does_not_know_at_all_is_none():
    with described_service("unknown_method") as service:
        done = run(service, writes=False, operations=[one for one in api_of(service).operations if one.is_safe])
        assert "TRACE" in {method for method, *_ in service.asked}
    assert done.faults == ()


def test_the_same_seed_sends_the_same_requests():
    asked = []
    for seed in (1, 1, 2):
        with described_service() as service:
            run(service, requests=60, seed=seed)
        asked.append(service.asked)
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


def test_without_permission_only_reads_are_sent():
    with described_service() as service:
        api = api_of(service)
        done = run(service, writes=False, operations=[one for one in api.operations if one.is_safe and not one.acts])
    assert done.requests
    assert {method for method, _, _ in service.asked} <= {"GET", "HEAD", "OPTIONS", "TRACE"}
    assert not [path for _, path, _ in service.asked if path.startswith("/createdb")]


def test_a_write_that_nobody_allowed_ends_the_run_before_it_is_sent():
    with described_service() as service, pytest.raises(SafetyError, match="nobody allowed"):
        run(service, writes=False)
    assert "POST" not in {method for method, _, _ in service.asked}


def test_an_operation_behind_a_login_is_tried_with_it_and_without():
    with described_service() as service:
        (me,) = [one for one in api_of(service).operations if one.needs_login]
        done = run(service, operations=[me], credentials={"authorization": f"Bearer {TOKEN}"}, requests=60)
    assert done.faults == ()
    assert done.tried["login"]


def test_no_more_requests_are_sent_than_were_allowed():
    with described_service() as service:
        done = run(service, requests=30)
    generated = done.requests
    assert "30 requests were sent" in done.stopped
    assert len(service.asked) == generated <= 30 + 200


class Elsewhere(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - one server a test

    def do_GET(self):
        Elsewhere.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass


def test_nothing_that_the_document_names_elsewhere_is_asked():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    Thread(target=server.serve_forever, daemon=True).start()
    there = f"http://127.0.0.1:{server.server_port}"
    with described_service() as service:
        listed = service.document["paths"]["/items"]["get"]
        listed["parameters"][0]["examples"] = {"one": {"externalValue": f"{there}/example"}}
        listed["servers"] = [{"url": f"{there}/api"}]
        service.document["paths"]["/people"]["get"]["responses"]["200"] = {"$ref": f"{there}/answers.json#/x"}
        done = run(service, requests=100)
    server.shutdown()
    server.server_close()
    assert done.requests
    assert Elsewhere.asked == []


def test_what_holds_the_process_for_ever_is_left_out_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr("harness.probes.generated._QUIET_S", 6.0)
    with described_service() as service:
        service.document["paths"] = {
            "/items": service.document["paths"]["/items"],
            "/people": {
                "get": {
                    "parameters": [
                        {
                            "name": "q",
                            "in": "query",
                            "required": True,
                            "schema": {"type": "string", "pattern": r"^(?=a)(a+)+$\p{L}(?<x>b)"},
                        }
                    ],
                    "responses": {"200": {"description": ""}},
                }
            },
        }
        done = run(service, requests=60, operations=api_of(service).operations)
    assert "GET /people: making data for it takes too long, and none was made" in done.limits
    assert "GET /items" in done.operations


@pytest.mark.parametrize(
    "broken",
    [
        {"/items": {"get": None}, "/none": None},
        {"/a.b/{x}.json": {"get": {"responses": {"default": {"description": ""}}}}},
        {"/with space/ünï/{;p}": {"get": {"responses": {"default": {"description": ""}}}}},
        {
            "/loop": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Loop"}}}},
                    "responses": {"default": {"description": ""}},
                }
            }
        },
        {
            f"/twice/{number}": {"get": {"operationId": "same", "responses": {"default": {"description": ""}}}}
            for number in (1, 2)
        },
    ],
    ids=["null", "dots", "matrix", "cycle", "same names"],
)
def test_what_cannot_be_made_of_a_document_is_one_line_and_the_rest_goes_on(broken):
    with described_service() as service:
        service.document["paths"] |= broken
        service.document["components"]["schemas"] = {
            "Loop": {
                "type": "object",
                "required": ["in"],
                "properties": {"in": {"$ref": "#/components/schemas/Loop"}},
            }
        }
        done = run(service, requests=80)
    assert all("\n" not in limit and len(limit) < 400 for limit in done.limits)
    assert "GET /people" in done.operations


def test_a_read_that_changes_what_is_listed_is_found_and_counters_are_not():
    for planted in ((), ("effect",)):
        with described_service(*planted) as service, RecordingClient(service.url, timeout_s=10) as client:
            api = api_of(service)
            reads = [one for one in api.operations if one.method == "GET" and not one.required and not one.needs_login]
            found = find_effects(client, reads, [one.path for one in api.plain_gets()])
        assert [effect.operation.name for effect in found] == (["GET /createdb"] if planted else [])
    assert found[0].says == ("GET /createdb changed what GET /items answers: 2 that were listed are gone and 1 are new")


NOT_IMPLEMENTED = 501


def failures_of_schemathesis(url, names):
    """What schemathesis finds by itself: kinds and operations."""
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema
    from schemathesis.openapi import from_url

    from harness.probes.generated_maker import _FOLLOWS, _KINDS

    settings = {"seed": 1, "cache": {"enabled": False}, "generation": {"database": "none", "max-examples": 20}}
    schema = from_url(f"{url}/openapi.json", config=SchemathesisConfig.from_dict(settings))
    found = set()
    for event in from_schema(schema.exclude(path="/createdb")).execute():
        if not isinstance(event, events.ScenarioFinished):
            continue
        for case, checks in event.recorder.checks.items():
            answer = event.recorder.find_response(case_id=case)
            if answer is not None and answer.status_code == NOT_IMPLEMENTED:
                # what is due to a method that a service does not know at all (RFC 9110, 15.6.2)
                continue
            kinds = {names.get(one.name, _KINDS[one.name]) for one in checks if one.failure_info is not None}
            known = frozenset().union(*(_FOLLOWS.get(kind, frozenset()) for kind in kinds))
            found |= {
                (_KINDS[one.name], one.failure_info.failure.operation)
                for one in checks
                if one.failure_info is not None and _KINDS[one.name] not in known
            }
    return found


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("planted", [("server_error", "header"), ("status", "accepted_invalid"), ("login", "body")])
def test_schemathesis_alone_finds_nothing_more(planted):
    with described_service(*planted) as service:
        alone = failures_of_schemathesis(service.url, {})
    with described_service(*planted) as service:
        done = run(service, requests=400)
    ours = {(fault.kind, place) for fault in done.faults for place in fault.places}
    assert alone
    assert alone - ours <= {(kind, "GET /me") for kind in ("accepted_without_header", "accepted_invalid")}
