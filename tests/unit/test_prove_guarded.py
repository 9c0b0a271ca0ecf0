"""The table of guarded facets: called is not guarded, and one kill does not speak for many operations."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from harness.model import MutantStatus
from harness.probes.openapi import load_document
from harness.prove.model import Result, Where
from harness.prove.wire.coverage import cover_facets, promised
from harness.prove.wire.facets import covers, facets_of, observe
from harness.prove.wire.operations import Operations
from tests.prove_exchanges import answer, request, wire

OPERATIONS = Operations(["GET /api/deals", "GET /api/reviews"])
DEALS = observe(request(), answer(b'{"items": [{"id": 1}]}', ETag='"1"', Date="x"), OPERATIONS, ["a test"])
MISSING = observe(request(), answer(status=404), OPERATIONS)
REVIEWS = observe(request("/api/reviews"), answer(b"[]", ETag='"2"'), OPERATIONS)


def rows(*outcomes, operations=None, noticed=("GET /api/deals",), seen=(DEALS, MISSING, REVIEWS)):
    """Operation and facet -> state, for mutants with these statuses; killed ones were noticed at those operations."""
    mutants = [defect for defect, _ in outcomes]
    results = [outcome(defect, status, noticed) for defect, status in outcomes]
    found = cover_facets(operations or {}, seen, results, mutants)
    return {(row.operation, row.facet): row.state for row in found}


def outcome(mutant, status, noticed=("GET /api/deals",)):
    operations = noticed if status is MutantStatus.KILLED else ()
    return Result(id=mutant.id, kind="wire", area="", status=status, expected="", operations=operations)


def etag(called="etag", operation="GET /api/deals"):
    return wire("drop-header", called=called, where=Where(operation=operation), header="ETag")


def test_an_exchange_shows_its_facets():
    assert DEALS.facets == {
        "status 200",
        "header content-type",
        "header etag",
        "body",
        "body field items",
        "body field items[].id",
        "cache",
        "latency",
    }
    assert DEALS.test_ids == {"a test"}
    assert DEALS.kind == ("GET /api/deals", "GET", 200, "application/json")
    page = facets_of(request(), answer(b"<p>", content_type="text/html", Cache_Control="no-store", ETag='"1"'))
    assert page >= {"page", "body", "header cache-control"}
    assert "cache" not in page


def test_a_coded_body_is_read():
    coded = answer(gzip.compress(b'{"id": 1}'), Content_Encoding="gzip")
    assert "body field id" in facets_of(request(), coded)
    assert "body field id" not in facets_of(request(), answer(b"no gzip", Content_Encoding="gzip"))


@pytest.mark.parametrize(
    ("facet", "other", "covered"),
    [
        ("status *", "status 404", True),
        ("status 4xx", "status 404", True),
        ("status [45]xx", "status 500", True),
        ("status 4xx", "status 500", False),
        ("status 404", "header etag", False),
        ("header *", "header etag", True),
        ("header etag", "header age", False),
        ("body field items[].id", "body field items[].id", True),
        ("body field items[].id", "body field items[].n", False),
    ],
)
def test_a_facet_may_stand_for_several(facet, other, covered):
    assert covers(facet, other) is covered


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (MutantStatus.KILLED, "guarded"),
        (MutantStatus.SURVIVED, "unguarded"),
        (MutantStatus.MISATTRIBUTED, "unguarded"),
        (MutantStatus.INCONCLUSIVE, "not_tried"),
        (MutantStatus.NOT_EXERCISED, "not_tried"),
    ],
)
def test_a_facet_is_guarded_if_a_mutant_of_it_was_killed(status, state):
    found = rows((etag(), status))
    assert found["GET /api/deals", "header etag"] == state
    assert found["GET /api/reviews", "header etag"] == "not_tried"
    assert found["GET /api/deals", "latency"] == "not_tried"


def test_one_kill_is_enough_and_the_survivors_are_named_too():
    mutants = [etag("one"), etag("two")]
    statuses = (MutantStatus.KILLED, MutantStatus.SURVIVED)
    results = [outcome(mutant, status) for mutant, status in zip(mutants, statuses, strict=True)]
    (row,) = (row for row in cover_facets({}, [DEALS], results, mutants) if row.facet == "header etag")
    assert (row.state, row.killed, row.survived) == ("guarded", ("one",), ("two",))


def test_a_mutant_of_many_operations_guards_those_where_it_was_noticed():
    everywhere = etag(operation="*")
    assert rows((everywhere, MutantStatus.SURVIVED))["GET /api/reviews", "header etag"] == "unguarded"
    found = rows((everywhere, MutantStatus.KILLED), noticed=("GET /api/deals",))
    assert found["GET /api/deals", "header etag"] == "guarded"
    assert found["GET /api/reviews", "header etag"] == "not_tried"
    nowhere = rows((everywhere, MutantStatus.KILLED), noticed=())
    assert nowhere["GET /api/deals", "header etag"] == "not_tried"


def test_equivalent_mutants_say_nothing():
    marked = replace(etag(), equivalent="why not")
    assert rows((marked, MutantStatus.SURVIVED))["GET /api/deals", "header etag"] == "not_tried"


def test_what_was_promised_and_never_called_is_said():
    found = rows(
        operations={"GET /api/deals": ["status 200", "status 422"], "GET /api/x": ["status 200"], "PUT /y": []}
    )
    assert found["GET /api/deals", "status 200"] == "not_tried"
    assert found["GET /api/deals", "status 422"] == "not_called"
    assert found["GET /api/x", "status 200"] == "not_called"
    assert found["PUT /y", "any"] == "not_called"


def test_the_document_promises_statuses():
    document = {
        "openapi": "3.1.0",
        "paths": {"/x": {"get": {"responses": {"200": {}, "4XX": {}, "default": {}}}}},
    }
    assert promised(load_document(json.dumps(document).encode())) == {"GET /x": ("status 200",)}
