"""A wire mutant as the proxy's handler: which exchanges it takes, what it counts, what it shows of them."""

from __future__ import annotations

import asyncio

import pytest

from harness.prove.model import Where
from harness.prove.wire.mutant import WireMutant
from harness.prove.wire.operations import UNKNOWN_PATH, Operations
from tests.prove_exchanges import SEED, answer, request, wire

NAMES = ["GET /api/deals", "GET /api/deals/{deal_id}", "GET /api/deals/hot", "POST /api/deals/{deal_id}/reviews"]


class Service:
    """Answers every request alike, and keeps them."""

    def __init__(self, given=None):
        self.given = given or answer(b'{"id": 1}')
        self.asked = []

    async def __call__(self, sent):
        self.asked.append(sent)
        return self.given


def exchange(mutant, *sent, service=None):
    """The answers to these requests, one after another."""
    service = service or Service()

    async def all_of_them():
        return [await mutant(one, service) for one in sent or (request(),)]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/api/deals", 200, "GET /api/deals"),
        ("GET", "/api/deals/", 200, "GET /api/deals"),
        ("GET", "/api/deals/17", 404, "GET /api/deals/{deal_id}"),
        ("GET", "/api/deals/hot", 200, "GET /api/deals/hot"),
        ("HEAD", "/api/deals/17", 200, "HEAD /api/deals/{deal_id}"),
        ("GET", "/deals/17/by/0123456789abcdef0", 200, "GET /deals/{id}/by/{id}"),
        ("GET", "/static/a.css", 200, "GET /static/a.css"),
        ("GET", "/no-such-path-1", 404, f"GET {UNKNOWN_PATH}"),
        ("PATCH", "/nothing", 405, f"PATCH {UNKNOWN_PATH}"),
    ],
)
def test_operations_have_the_names_of_the_document(method, path, status, name):
    assert Operations(NAMES).name(method, path, status) == name


@pytest.mark.parametrize(
    ("where", "taken"),
    [
        (Where(), True),
        (Where(operation="GET /api/deals/{deal_id}"), True),
        (Where(operation="GET /api/deals/17"), True),
        (Where(operation="* /api/*"), True),
        (Where(operation="POST *"), False),
        (Where(operation="GET /api/deals"), False),
        (Where(status="404"), True),
        (Where(status="4xx"), True),
        (Where(status="[45]xx"), True),
        (Where(status="2xx"), False),
        (Where(content_type="application/*json"), True),
        (Where(content_type="text/html"), False),
    ],
    ids=str,
)
def test_where_says_which_exchanges_are_changed(where, taken):
    mutant = WireMutant(wire("drop-header", where=where, header="Age"), NAMES, SEED)
    given = answer(status=404, content_type="application/problem+json; charset=utf-8", Age="1")
    (got,) = exchange(mutant, request("/api/deals/17?x=1"), service=Service(given))
    assert (got.header("Age") is None) is taken
    assert (mutant.seen, mutant.applied) == ((1, 1) if taken else (0, 0))


def test_an_exchange_without_the_thing_is_seen_and_left_alone():
    mutant = WireMutant(wire("drop-header", header="ETag"), NAMES, SEED)
    service = Service()
    assert exchange(mutant, service=service) == [service.given]
    assert (mutant.seen, mutant.applied, mutant.sample) == (1, 0, None)


def test_the_first_changed_exchange_is_shown():
    mutant = WireMutant(wire("R5XX", to=503), NAMES, SEED)
    exchange(mutant, request(), request("/other"))
    assert (mutant.applied, mutant.sample) == (2, ("200", "503"))


def test_a_sample_shows_no_secret():
    given = answer(b'{"access_token": "topsecret1", "n": 1}', Set_Cookie="sid=topsecret2; HttpOnly")
    cookie = WireMutant(wire("cookie-strip", attribute="HttpOnly"), NAMES, SEED)
    token = WireMutant(wire("SPR", field="access_token"), NAMES, SEED)
    number = WireMutant(wire("NPR", field="n"), NAMES, SEED)
    for mutant in (cookie, token, number):
        exchange(mutant, service=Service(given))
        assert mutant.sample is not None
        assert "topsecret" not in " ".join(mutant.sample)
    assert cookie.sample == ("Set-Cookie: sid=***; HttpOnly", "Set-Cookie: sid=***")
    assert '"n":1' in number.sample[0]


@pytest.mark.parametrize(
    ("defect", "before", "after"),
    [
        (wire("drop-header", header="Age"), "Age: 3", "no age"),
        (wire("add-header", header="Server", value="x/1.2"), "no server", "Server: x/1.2"),
        (wire("cut-body"), "9 bytes", "4 of 9 bytes, then cut"),
        (wire("late", ms=1), "at once", "1 ms later"),
        (wire("never-end"), "an end", "no end"),
        (wire("interim"), "no interim answer", "103 before it"),
        (wire("old-protocol"), "HTTP/1.1", "HTTP/1.0"),
        (wire("surplus", text="abc"), "nothing behind it", "3 bytes behind it"),
        (wire("empty-body"), '9 bytes: {"id":1}', "0 bytes"),
    ],
    ids=lambda value: value.operator if hasattr(value, "operator") else "",
)
def test_what_is_shown_is_what_was_changed(defect, before, after):
    mutant = WireMutant(defect, NAMES, SEED)
    exchange(mutant, service=Service(answer(b'{"id": 1}', Age="3")))
    assert mutant.sample == (before, after)


def test_a_request_is_changed_before_it_is_sent():
    mutant = WireMutant(wire("ignore-conditional", where=Where(operation="GET /api/deals")), NAMES, SEED)
    service = Service()
    exchange(mutant, request(If_None_Match='"1"'), request("/other", If_None_Match='"1"'), request(), service=service)
    assert [sent.header("If-None-Match") for sent in service.asked] == [None, '"1"', None]
    assert (mutant.seen, mutant.applied) == (2, 1)
    assert mutant.sample == ('If-None-Match: "1"', "no if-none-match")


def test_bodies_are_asked_for_as_they_are_only_where_they_are_read():
    reads = WireMutant(wire("NPR", field="id", where=Where(operation="GET /api/deals")), NAMES, SEED)
    service = Service()
    exchange(reads, request(Accept_Encoding="gzip"), request("/other", Accept_Encoding="gzip"), service=service)
    exchange(WireMutant(wire("R5XX"), NAMES, SEED), request(Accept_Encoding="gzip"), service=service)
    unknown = WireMutant(wire("NPR", field="id", where=Where(operation=f"GET {UNKNOWN_PATH}")), NAMES, SEED)
    exchange(unknown, request("/no-such-path", Accept_Encoding="gzip"), service=service)
    assert [sent.header("Accept-Encoding") for sent in service.asked] == ["identity", "gzip", "gzip", "identity"]


def test_the_same_seed_makes_the_same_mistake_and_another_id_another():
    given = answer(b'{"title": "a long title of a deal"}')

    def title(called, seed=SEED):
        mutant = WireMutant(wire("SPR", called=called, field="title"), NAMES, seed)
        return exchange(mutant, service=Service(given))[0].body

    assert title("one") == title("one")
    assert len({title("one"), title("two"), title("one", seed=18)}) == 3


def test_an_answer_really_waits():
    mutant = WireMutant(wire("late", ms=50), NAMES, SEED)

    async def timed():
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await mutant(request(), Service())
        return loop.time() - begun

    assert asyncio.run(timed()) >= 0.05
