"""Which requests a target gets, from how many clients."""

from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.load import Stage
from harness.load.scenario import plan_for, scenario
from harness.model import Cache, ClientIdentity, Health, Load, Pages, RateLimit, Service, Target

BARE = Target(name="bare", source="", service=Service(url="http://127.0.0.1:1"))
RICH = replace(
    BARE,
    health=Health(live="/live"),
    cache=Cache(paths=("/cached", "/secret"), roles={"/secret": "operator"}),
    pages=Pages(paths=("/page",)),
    load=Load(paths={"/a": 5, "/b": 1}, rate=50),
)
STEADY = (Stage(rate=50, seconds=10),)


def paths(target, **words):
    return {request.path: request.weight for request in scenario(target, **words)}


def test_what_the_profile_says_is_what_is_sent():
    assert paths(RICH) == {"/a": 5, "/b": 1}


def test_paths_given_by_hand_come_first():
    assert paths(RICH, paths=["/x"]) == {"/x": 1}


def test_without_a_scenario_cached_paths_and_pages_are_sent_but_none_that_needs_a_login():
    assert paths(replace(RICH, load=Load())) == {"/cached": 1, "/page": 1}


def test_then_what_the_openapi_document_shows_then_health_then_the_root():
    assert paths(BARE, found=["/found"]) == {"/found": 1}
    assert paths(replace(BARE, health=Health(live="/live"))) == {"/live": 1}
    assert paths(BARE) == {"/": 1}


def plan(target, stages=STEADY):
    return plan_for(target, "http://127.0.0.1:1", stages=stages, requests=scenario(target), seed=1)


def test_clients_are_as_many_as_the_limiter_makes_necessary_at_the_highest_rate():
    limited = replace(
        BARE, clients=ClientIdentity(address="x-forwarded-for"), ratelimit=RateLimit(limit=300, window_s=60)
    )
    assert plan(limited).clients == 20
    assert plan(limited, (Stage(rate=10, seconds=5), Stage(rate=10, until=100, seconds=5))).clients == 40


def test_one_client_that_would_run_into_the_limit_is_refused_with_the_rate_that_would_not():
    limited = replace(BARE, ratelimit=RateLimit(limit=300, window_s=60))
    with pytest.raises(UsageError, match=r"lower --rate to 2\.5"):
        plan(limited)
    assert plan(limited, (Stage(rate=5, seconds=10),)).clients == 1


def test_the_time_out_is_the_profiles():
    slow = replace(BARE, service=Service(url="http://127.0.0.1:1", timeout_s=3))
    assert plan(slow).timeout_s == 3
