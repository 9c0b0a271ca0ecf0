"""What may be asked of a load run, and what is refused in one line."""

import dataclasses

import pytest

from harness.errors import UsageError
from harness.load import LoadPlan, Request, Stage, clients_needed, parse_duration, profile_stages
from harness.load.plan import client_addresses, read_plan, validate

GOOD = LoadPlan(
    url="http://127.0.0.1:8000", requests=(Request(path="/a"),), stages=(Stage(rate=10, seconds=5),), clients=3
)


def test_a_good_plan_is_accepted():
    assert validate(GOOD) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "ftp://127.0.0.1"}, "not an http or https URL"),
        ({"url": "http://127.0.0.1:99999"}, "is not a URL"),
        ({"url": "http://127.0.0.1:0"}, "port 0"),
        ({"requests": ()}, "no request"),
        ({"requests": (Request(path="a"),)}, "must begin with one /"),
        ({"requests": (Request(path="//evil"),)}, "must begin with one /"),
        ({"requests": (Request(path="/a b"),)}, "encode it"),
        ({"requests": (Request(path="/a\r\nX: y"),)}, "encode it"),
        ({"requests": (Request(path="/ä"),)}, "encode it"),
        ({"requests": (Request(path="/a", method="DELETE"),)}, "DELETE /a may change something"),
        ({"requests": (Request(path="/a", headers={"X": "a\r\nY: b"}),)}, "line break"),
        ({"requests": (Request(path="/a", weight=0),)}, "weight of GET /a"),
        ({"stages": ()}, "no stage"),
        ({"stages": (Stage(rate=-1, seconds=5),)}, "rate -1"),
        ({"stages": (Stage(rate=float("nan"), seconds=5),)}, "rate nan"),
        ({"stages": (Stage(rate=1, seconds=0),)}, "duration 0"),
        ({"stages": (Stage(rate=0.1, seconds=5),)}, "less than one request"),
        ({"stages": (Stage(rate=10, seconds=0.5),)}, "too short to show that a stall is seen"),
        ({"clients": 0}, "clients 0"),
        ({"timeout_s": 0}, "timeout 0"),
        ({"max_in_flight": 0}, "max_in_flight 0"),
        ({"url": "http://example.org", "address": "source"}, "only on 127.0.0.1"),
        ({"url": "http://[::1]:80", "address": "source"}, "only on 127.0.0.1"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change, says):
    with pytest.raises(UsageError, match=says) as caught:
        validate(dataclasses.replace(GOOD, **change))
    assert "\n" not in caught.value.message


def test_methods_that_change_something_need_the_callers_word():
    writes = dataclasses.replace(GOOD, requests=(Request(path="/a", method="POST"),), writes=True)
    assert validate(writes) is None


def test_a_plan_comes_back_from_its_file(tmp_path):
    plan = dataclasses.replace(GOOD, requests=(Request(path="/a", headers={"A": "b"}),), seed=12)
    (tmp_path / "plan.json").write_bytes(plan.document())
    assert read_plan(tmp_path / "plan.json") == plan


@pytest.mark.parametrize(("rate", "expected"), [(50, 20), (2.5, 1), (2.51, 2), (0.1, 1)])
def test_no_client_uses_more_than_half_of_the_limit(rate, expected):
    assert clients_needed(rate, limit=300, window_s=60) == expected


@pytest.mark.parametrize(("address", "begins"), [("x-forwarded-for", "10."), ("source", "127.")])
def test_every_client_has_an_address_of_its_own(address, begins):
    plan = dataclasses.replace(GOOD, address=address, clients=5000, seed=4)
    addresses = client_addresses(plan)
    assert len(set(addresses)) == 5000
    assert all(text.startswith(begins) for text in addresses)
    assert not set(addresses) & set(client_addresses(dataclasses.replace(plan, seed=5)))


def test_without_addresses_there_are_none():
    assert client_addresses(GOOD) == ()


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("2", 2), ("0.5", 0.5), ("1h", 3600), (" 5s ", 5)]
)
def test_durations_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5x", "5 s 3", "-3s", "0s", "1e999", "nan", "8d", "200h", "s5"])
def test_a_duration_that_is_none_is_refused_by_name(text):
    with pytest.raises(UsageError, match="was expected") as caught:
        parse_duration(text)
    assert repr(text.strip()) in caught.value.message


def test_each_profile_keeps_its_promise():
    rates = {name: [s.rate for s in profile_stages(name, 100)] for name in ("smoke", "spike", "stress", "capacity")}
    assert rates["smoke"] == [10]
    assert rates["spike"] == [100, 500, 100]
    assert rates["stress"] == [100, 400, 100]
    assert rates["capacity"] == sorted(rates["capacity"])
    assert [stage.warm_up for stage in profile_stages("steady", 100)] == [True, False]
    assert sum(stage.seconds for stage in profile_stages("soak", 100)) == 1800


def test_a_rate_given_by_hand_is_the_rate():
    assert {stage.rate for stage in profile_stages("smoke", 100, rate=7, seconds=3)} == {7}


def test_steps_too_short_to_judge_are_refused():
    with pytest.raises(UsageError, match="24 s is the least"):
        profile_stages("capacity", 100, seconds=10)


def test_an_unknown_profile_lists_the_known():
    with pytest.raises(UsageError, match="smoke, steady, spike"):
        profile_stages("stead", 100)
