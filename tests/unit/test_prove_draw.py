"""The random draw: the same mutants for the same seed, equivalent ones marked, and a score with its interval."""

from __future__ import annotations

import pytest

from harness.model import MutantStatus
from harness.probes.openapi import METHODS
from harness.prove.model import Result
from harness.prove.proof import score
from harness.prove.wire.equivalence import equivalent
from harness.prove.wire.facets import SampledExchange, speaks_of
from harness.prove.wire.mutant import mutation_for
from harness.prove.wire.operators import OPERATORS, validate
from harness.prove.wire.sampling import draw
from tests.prove_exchanges import SEED, answer, request, wire

POLICY = "default-src 'none'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"
PAGE = answer(
    b"<html><body>deals</body></html>",
    content_type="text/html; charset=utf-8",
    Content_Security_Policy=POLICY,
    ETag='"1"',
)
DEALS = answer(
    b'{"items": [{"id": 1, "title": "Lamp", "sold": false, "tags": ["a", "b"], "shop": {"n": 1}}], "total": 1}',
    ETag='"2"',
    Cache_Control="no-cache",
)
SAMPLES = [
    SampledExchange(operation="GET /", request=request("/"), answer=PAGE),
    SampledExchange(operation="GET /api/deals", request=request(), answer=DEALS),
    SampledExchange(
        operation="POST /api/deals",
        request=request(method="POST"),
        answer=answer(b'{"id": 2}', status=201, Location="/api/deals/2", Vary="Origin"),
    ),
    SampledExchange(
        operation="GET (unknown path)",
        request=request("/no-such-path"),
        answer=answer(b'{"detail": "no"}', status=404, content_type="application/problem+json", Vary="Accept"),
    ),
]


def result(status, equivalent=""):
    return Result(id="some", kind="wire", area="draw", status=status, expected="", equivalent=equivalent)


def test_a_seed_draws_the_same_again_and_another_seed_others():
    assert draw(17, 30, SAMPLES) == draw(17, 30, reversed(SAMPLES))
    assert {one.id for one in draw(17, 30, SAMPLES)} != {one.id for one in draw(18, 30, SAMPLES)}


def test_what_is_drawn_is_right_different_and_does_something():
    drawn = draw(17, 120, SAMPLES)
    assert len({one.id for one in drawn}) == len(drawn) == 120
    assert len({(one.operator, one.where, str(one.args)) for one in drawn}) == 120
    samples = {(sample.operation, str(sample.answer.status)): sample for sample in SAMPLES}
    for defect in drawn:
        validate(defect)
        assert defect.id.startswith(f"draw-17-{defect.operator}-")
        if defect.where.status == "*":
            continue
        sample = samples[defect.where.operation, defect.where.status]
        mutation = mutation_for(defect, 17)
        changes = mutation.answer(sample.request, sample.answer) is not None or mutation.delay_s(0.0) > 0
        assert changes or defect.operator in ("stale", "anothers-answer", "let-through")


def test_an_id_says_what_is_changed_where():
    ids = {one.id for one in draw(17, 10_000, SAMPLES)}
    assert "draw-17-LHD-post-api-deals-location" in ids
    assert "draw-17-drop-header-get-api-deals-etag" in ids
    assert any(one.startswith("draw-17-SPR-get-api-deals-body-field-items-title") for one in ids)


def test_operators_and_operations_come_alike_often_however_much_there_is_of_each():
    drawn = draw(17, 60, SAMPLES)
    assert len({one.operator for one in drawn}) > 20
    assert {one.where.operation for one in drawn} >= {sample.operation for sample in SAMPLES}


def test_there_may_be_fewer_than_asked_for():
    bare = SampledExchange(operation="GET /x", request=request("/x"), answer=answer(status=204, content_type=""))
    assert {one.operator for one in draw(17, 100, [bare])} == {"R2XX", "R4XX", "R5XX", "late"}
    assert draw(17, 100, []) == ()


@pytest.mark.parametrize(
    ("defect", "given", "reason"),
    [
        (wire("drop-header", header="Date"), answer(Date="today"), "no client acts on date"),
        (wire("drop-header", header="X-Request-ID"), answer(X_Request_ID="1"), "no client acts on x-request-id"),
        (wire("drop-header", header="Server"), answer(Server="x"), "no client acts on server"),
        (wire("drop-header", header="X-XSS-Protection"), answer(X_XSS_Protection="0"), "no browser reads"),
        (wire("drop-header", header="Expires"), answer(Expires="0", Cache_Control="no-cache"), "Cache-Control counts"),
        (wire("drop-header", header="Expires"), answer(Expires="0"), ""),
        (wire("drop-header", header="ETag"), answer(ETag='"1"'), ""),
        (wire("vary-drop", member="Accept"), answer(Vary="Accept", Cache_Control="no-store"), "no cache may keep"),
        (wire("vary-drop", member="Accept"), answer(Vary="Accept"), ""),
        (wire("csp-drop", directive="base-uri"), answer(b"{}", Content_Security_Policy=POLICY), "nothing is loaded"),
        (wire("csp-drop", directive="frame-ancestors"), answer(b"{}", Content_Security_Policy=POLICY), ""),
        (wire("csp-drop", directive="base-uri"), PAGE, ""),
        (wire("drop-header", header="Content-Security-Policy"), answer(b"{}", Content_Security_Policy=POLICY), ""),
        (wire("CPC"), answer(b"{}"), "JSON has no charset"),
        (wire("CPD"), answer(b"{}", content_type="application/json; charset=utf-8"), "JSON has no charset"),
        (wire("CPD"), answer(b"<p>", content_type="text/html; charset=utf-8"), ""),
        (wire("CTC"), answer(b"{}"), ""),
        (wire("CTC"), answer(), "there is no body"),
        (
            wire("replace-header", header="Content-Type", value="text/html; charset=UTF8"),
            answer(b"<p>", content_type="text/html; charset=utf-8"),
            "another name of the same charset",
        ),
        (
            wire("replace-text", find=r'\{"a": 1, "b": 2\}', put='{"b":2,"a":1.0}'),
            answer(b'{"a": 1, "b": 2}'),
            "the members of a JSON object have no order",
        ),
        (wire("replace-text", find="1", put="true"), answer(b'{"a": 1}'), ""),
        (wire("R5XX"), answer(), ""),
        (wire("drop-header", header="Age"), answer(), ""),
    ],
    ids=lambda value: value.operator if hasattr(value, "operator") else "",
)
def test_what_no_client_could_tell_apart_has_its_reason(defect, given, reason):
    found = equivalent(defect, (request(), given), SEED)
    assert found.startswith(reason)
    assert bool(found) is bool(reason)


def test_a_header_written_in_another_case_is_the_same():
    renamed = (wire("drop-header", header="X"), answer(X="1"))
    assert equivalent(renamed[0], (request(), renamed[1]), SEED) == ""
    varied = equivalent(wire("drop-header", header="Vary"), (request(method="POST"), answer(Vary="Accept")), SEED)
    assert varied.startswith("caches keep no answer to POST")


def test_equivalent_mutants_are_marked_in_the_draw():
    marked = [one for one in draw(17, 10_000, SAMPLES) if one.equivalent]
    assert {(one.operator, one.where.operation) for one in marked} >= {
        ("CPC", "GET /api/deals"),
        ("vary-drop", "POST /api/deals"),
    }
    assert all("charset" in one.equivalent for one in marked if one.operator == "CPC")


def test_the_score_has_an_interval_and_counts_what_was_tried():
    statuses = [MutantStatus.KILLED] * 8 + [
        MutantStatus.SURVIVED,
        MutantStatus.MISATTRIBUTED,
        MutantStatus.INCONCLUSIVE,
        MutantStatus.NOT_EXERCISED,
    ]
    found = score([*map(result, statuses), result(MutantStatus.SURVIVED, equivalent="nobody cares")])
    assert (found.killed, found.tried, found.share) == (8, 10, 0.8)
    assert (found.low, found.high) == (pytest.approx(0.4439, abs=1e-4), pytest.approx(0.9748, abs=1e-4))
    assert score([result(MutantStatus.INCONCLUSIVE)]) is None


@pytest.mark.parametrize(
    ("facet", "check", "bound"),
    [
        ("header x-frame-options", "headers.frame", True),
        ("header x-frame-options", "load.latency", False),
        ("status 404", "errors.not_found", True),
        ("status 200", "cache.ratio", False),
        ("body field items[].id", "api.search", True),
        ("latency", "load.latency", True),
        ("latency", "headers.frame", False),
        ("cache", "cache.private", True),
        ("header access-control-allow-origin", "cors.friend", True),
        ("header access-control-allow-origin", "headers.frame", False),
    ],
)
def test_a_check_that_has_nothing_to_do_with_the_facet_kills_nothing(facet, check, bound):
    assert speaks_of(check, facet) is bound


def test_every_operator_that_is_drawn_exists():
    assert {one.operator for one in draw(1, 500, SAMPLES)} <= OPERATORS.keys()


def test_every_method_of_openapi_can_be_drawn_and_one_that_is_none_is_not():
    def drawn(method):
        sample = SampledExchange(operation=f"{method} /x", request=request("/x", method=method), answer=PAGE)
        return draw(1, 5, [sample])

    for method in METHODS:
        found = drawn(method.upper())
        assert found
        for defect in found:
            validate(defect)
    assert drawn("BREW") == ()
