"""Every operator, on exchanges of all kinds: it changes the facet that it names and nothing else, or nothing at all."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prove.model import Where
from harness.prove.wire.equivalence import equivalent
from harness.prove.wire.facets import SampledExchange, covers, facets_of, observe
from harness.prove.wire.json_paths import change_at, nodes_of, parse_json, parse_path, write_json, write_path
from harness.prove.wire.mutant import mutation_for
from harness.prove.wire.operations import Operations
from harness.prove.wire.operators import OPERATORS, facet_of
from harness.prove.wire.sampling import choices, drawn_operators
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest
from tests.prove_exchanges import wire

NAMES = st.sampled_from(["id", "items", "title", "a.b", "", "$", 'q"uote', "[x]", "\ud800"]) | st.text(max_size=4)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(NAMES.filter(lambda name: name != "[]"), inner),
    max_leaves=20,
)
DEFECT_KINDS = (
    "application/json",
    "application/problem+json; charset=utf-8",
    "text/html; charset=utf-8",
    "text/javascript",
    "image/png",
    "/;;=",
    None,
)
BODIES = (
    st.binary(max_size=60)
    | DOCUMENTS.map(lambda document: json.dumps(document).encode())
    | st.sampled_from([b"<html><body><script src=/a.js></script></body></html>", b"<link rel='stylesheet'>"])
)
VALUES = {
    "Location": ["/deals/1?a=b", "https://[bad", "//x"],
    "Vary": ["Origin, Accept", "*", ""],
    "ETag": ['"1"'],
    "Set-Cookie": ["sid=1; HttpOnly; SameSite=Lax; Secure; Path=/", "=;", ""],
    "Content-Security-Policy": ["default-src 'none'; script-src 'self' 'nonce-abc'", ";;", "script-src"],
    "Strict-Transport-Security": ["max-age=31536000; includeSubDomains", "max-age"],
    "Cache-Control": ["no-store", "max-age=60"],
    "Content-Encoding": ["gzip", "br"],
    "Access-Control-Allow-Origin": ["*", "https://friend.example"],
    "X-Request-ID": ["1"],
}
HEADERS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.tuples(st.sampled_from([name, name.lower()]), st.sampled_from(VALUES[name]))
)
SENT = st.sampled_from(
    [
        ("Origin", "https://stranger.example"),
        ("If-None-Match", '"1"'),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Authorization", "Bearer x"),
        ("Access-Control-Request-Method", "PUT"),
    ]
)
REQUESTS = st.builds(
    lambda method, target, headers: ProxiedRequest(
        method=method, target=target, headers=(("Host", "shop.test"), *headers), client="127.0.0.1"
    ),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
    st.sampled_from(["/", "/api/deals/1?q=%0d%0aX-Injected:%20yes", "/?q=<script>", "/%ff?%ff=%ff", "*"]),
    st.lists(SENT, max_size=4, unique_by=lambda pair: pair[0]).map(tuple),
)
ANSWERS = st.builds(
    lambda status, kind, headers, body: ProxiedAnswer(
        status=status, headers=(*((("Content-Type", kind),) if kind is not None else ()), *headers), body=body
    ),
    st.sampled_from([200, 201, 204, 303, 304, 404, 429, 500]),
    st.sampled_from(DEFECT_KINDS),
    st.lists(HEADERS, max_size=5).map(tuple),
    BODIES,
)
FIXED = {
    "add-header": {"header": "Server", "value": "x/1.2"},
    "replace-header": {"header": "ETag", "value": '"2"'},
    "freeze-header": {"header": "ETag"},
    "repeat-header": {"header": "ETag", "value": '"2"'},
    "cookie-add": {"attribute": "Domain", "value": "shop.test"},
    "odd-value": {"field": "items[].id", "value": "nan"},
    "cookie-replace": {"attribute": "SameSite", "value": "None"},
    "insert-markup": {"markup": "<hr>"},
    "replace-text": {"find": "<body>", "put": "<main>"},
    "stall": {"pause_ms": 10, "every_ms": 100},
    "sometimes-status": {"every": 2},
}
OF_SEVERAL_FACETS = {"answer-all", "odd-value", "same-nonce", "wrong-base"}
"""One mistake that shows at several places, or makes a body of which no place can be read."""
SEEDS = st.integers(0, 2**32)


def arguments(operator: str, sample: SampledExchange, seed: int) -> dict[str, object]:
    """Some that the operator takes, fitting the exchange where it can."""
    found = choices(operator, sample)
    if found:
        return dict(Random(seed).choice(found))  # noqa: S311
    if operator in FIXED:
        return FIXED[operator]
    fallback = {"field": "items[].id", "header": "Age", "attribute": "Path", "member": "Origin", "ms": 5}
    fallback |= {"directive": "base-uri"}
    names = OPERATORS[operator].args.__dataclass_fields__
    return {name: value for name, value in fallback.items() if name in names}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(OPERATORS)), REQUESTS, ANSWERS, REQUESTS, ANSWERS, SEEDS)
def test_the_named_facet_alone_is_changed(operator, request, answer, earlier, other, seed):
    args = arguments(operator, SampledExchange(operation="GET /", request=request, answer=answer), seed)
    defect = wire(operator, **args)
    mutation = mutation_for(defect, seed)
    mutation.request(earlier)
    mutation.answer(earlier, other)
    assert mutation.delay_s(1.0) >= 0
    assert (mutation.request(request) is None) or OPERATORS[operator].asks
    got = mutation.answer(request, answer)
    if got is None:
        return
    assert got != answer
    facet = facet_of(defect)
    # what a limiter or a cache replays is another answer, and a preflight that lets in has another form
    if facet in ("cache", "status 429") or (operator == "cors-reflect" and request.method == "OPTIONS"):
        return
    if operator in OF_SEVERAL_FACETS:
        return
    kind, _, name = facet.partition(" ")
    assert kind == "status" or got.status == answer.status
    assert kind == "header" or got.headers == answer.headers
    assert kind in ("body", "page") or (got.body, got.cut_after) == (answer.body, answer.cut_after)
    if kind == "header" and name != "*":
        prefix = "access-control-" if operator == "cors-reflect" else name
        assert [pair for pair in got.headers if not pair[0].lower().startswith(prefix)] == [
            pair for pair in answer.headers if not pair[0].lower().startswith(prefix)
        ]
    if name.startswith("field "):
        steps = parse_path(name.removeprefix("field "))
        place = steps[:-1] if operator == "OPR" and "property" in args else steps
        before, after = (parse_json(one.body) for one in (answer, got))
        assert change_at(before, place, lambda _: "X") == change_at(after, place, lambda _: "X")


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(drawn_operators()), REQUESTS, ANSWERS, SEEDS)
def test_what_may_be_drawn_names_a_facet_that_is_there(operator, request, answer, seed):
    shown = facets_of(request, answer)
    for args in choices(operator, SampledExchange(operation="GET /", request=request, answer=answer))[:20]:
        where = Where() if OPERATORS[operator].asks else Where(status=str(answer.status))
        defect = wire(operator, where=where, **args)
        got = mutation_for(defect, seed).answer(request, answer)
        facet = facet_of(defect)
        # a node that holds others is no facet of its own, but what lies in it is
        inner = facet.startswith("body field ")
        if got is not None and not (inner or facet.startswith("header access-control")):
            assert any(covers(facet, own) for own in shown), (facet, sorted(shown))
        assert isinstance(equivalent(defect, (request, answer), seed), str)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(drawn_operators()), REQUESTS, ANSWERS, SEEDS)
def test_the_same_seed_makes_the_same_mutant(operator, request, answer, seed):
    for args in choices(operator, SampledExchange(operation="GET /", request=request, answer=answer))[:5]:
        one, other = (mutation_for(wire(operator, **args), seed) for _ in range(2))
        assert one.answer(request, answer) == other.answer(request, answer)


@given(REQUESTS, ANSWERS)
def test_every_exchange_is_seen_as_something(request, answer):
    seen = observe(request, answer, Operations(["GET /api/deals/{id}"]))
    assert f"status {answer.status}" in seen.facets
    assert {f"body field {path}" for path in seen.fields} <= seen.facets


@given(DOCUMENTS)
def test_every_place_of_a_document_can_be_written_and_found_again(document):
    for path, nodes in nodes_of(document).items():
        steps = parse_path(path)
        assert write_path(steps) == path
        found = []
        change_at(parse_json(write_json(document)), steps, lambda node, found=found: found.append(node) or node)
        assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, nodes))
