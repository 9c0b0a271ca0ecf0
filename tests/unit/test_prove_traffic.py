"""Who saw which exchange: the test that ran, and all that share the fixture which was being set up."""

from __future__ import annotations

import asyncio

from harness.prove.wire.operations import Operations
from harness.prove.wire.trial import TrafficRecorder, WireTraffic, traffic_of, witnesses
from harness.pytest_plugin.timeline import SuiteJournal, TimeSpan
from tests.prove_exchanges import answer, request

OPERATIONS = Operations(["GET /api/deals"])


def recorded(*moments):
    """A recorder that saw the same exchange at these times."""

    async def send(_):
        return answer(b"[]")

    recorder = TrafficRecorder(OPERATIONS)
    for _ in moments:
        asyncio.run(recorder(request(), send))
    recorder.exchanges = [(moment, seen) for moment, (_, seen) in zip(moments, recorder.exchanges, strict=True)]
    return recorder


def journal(**spans):
    return SuiteJournal(
        tests=[TimeSpan(name="a", begin=1, end=2), TimeSpan(name="b", begin=3, end=9)],
        shared=[TimeSpan(name="token", begin=3.5, end=4)],
        users={"token": ["b", "c"]},
        **spans,
    )


def test_an_exchange_belongs_to_the_test_that_ran():
    assert witnesses(traffic_of(recorded(1.5), journal()).seen) == {"a"}
    assert witnesses(traffic_of(recorded(8.0), journal()).seen) == {"b"}


def test_one_in_the_setup_of_a_shared_fixture_belongs_to_all_that_use_it():
    assert witnesses(traffic_of(recorded(3.7), journal()).seen) == {"b", "c"}


def test_one_between_tests_belongs_to_nobody():
    found = traffic_of(recorded(2.5, 0.1), journal())
    assert (found.unowned, witnesses(found.seen)) == (2, frozenset())


def test_exchanges_that_look_alike_are_kept_once():
    found = traffic_of(recorded(1.5, 1.6, 8.0), journal())
    assert len(found.seen) == len(found.samples) == 1
    assert found.seen[0].test_ids == {"a", "b"}
    both = found.joined(WireTraffic()).joined(found)
    assert both.seen == found.seen


def test_what_is_recorded_is_passed_on_as_it_is():
    given = answer(b'{"id": 1}', ETag='"1"')

    async def send(_):
        return given

    recorder = TrafficRecorder(OPERATIONS)
    assert asyncio.run(recorder(request(), send)) is given
    assert recorder.exchanges[0][1].operation == "GET /api/deals"
