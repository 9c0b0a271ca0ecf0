"""That all waits for a service together are bounded, and that one that is only slow is waited for as ever."""

from __future__ import annotations

import random

import pytest

from harness.probes.http import NotAsked, RecordingClient
from harness.probes.patience import count_waits, is_silent, wait_for

USUAL_S = 10.0
PLACE = ("target.test", 80)


@pytest.fixture(name="place")
def _place(tmp_path, request):
    """A place that no other test asks, with an account of its own."""
    place = (f"{request.node.name}.test", 80)
    count_waits(place, str(tmp_path))
    return place


def ask(place, path: str, takes_s: float) -> float:
    """Ask a service that takes so long for its answer; returns for how long it was waited."""
    wait = wait_for(place, f"GET {path}", USUAL_S)
    took_s = min(takes_s, wait.seconds)
    if not wait.refusal:
        (wait.was_answered if takes_s <= wait.seconds else wait.in_vain)(took_s)
    return took_s


def refusal(place, path: str) -> str:
    return wait_for(place, f"GET {path}", USUAL_S).refusal


def seconds(place, path: str) -> float:
    return wait_for(place, f"GET {path}", USUAL_S).seconds


def test_a_service_of_ours_may_hang_as_often_as_it_likes() -> None:
    assert [ask(PLACE, f"/{number}", 1e9) for number in range(100)] == [USUAL_S] * 100


def test_one_that_never_answers_is_waited_for_twice_in_full_and_then_less_and_less_and_not_asked_on(place) -> None:
    waits = [ask(place, f"/{number}", 1e9) for number in range(1000)]
    assert waits[:4] == [10.0, 10.0, 2.0, 1.75]
    assert waits == sorted(waits, reverse=True)
    assert sum(waits) <= 2 * USUAL_S + 16
    assert "waited for in vain" in refusal(place, "/new")
    assert is_silent(place)


@pytest.mark.parametrize("takes_s", [0.3, 0.9])
def test_one_that_is_slow_is_waited_for_in_full_however_often(place, takes_s) -> None:
    for number in range(2000):
        assert ask(place, f"/{number % 300}", takes_s) == takes_s
        assert seconds(place, "/new") == USUAL_S
    assert not is_silent(place)


def test_a_slow_one_of_which_some_paths_hang_is_heard_at_all_others(place) -> None:
    for number in range(1000):
        ask(
            place,
            f"/hangs/{number % 5}" if number % 10 == 0 else f"/slow/{number % 100}",
            1e9 if number % 10 == 0 else 0.9,
        )
        assert seconds(place, f"/slow/{number}") >= 0.9, number


def test_what_was_answered_is_heard_when_all_else_has_hung(place) -> None:
    assert ask(place, "/", 0.9) == 0.9
    for number in range(1000):
        ask(place, f"/{number}", 1e9)
        if number % 4 == 0:
            assert ask(place, "/", 0.9) == 0.9


def test_answers_that_come_late_are_not_awaited_for_ever(place) -> None:
    waits = [ask(place, f"/{number}", 4.0) for number in range(1000)]
    assert set(waits) == {4.0, 0.0}
    assert sum(waits) <= 50
    assert "timeout_s" in refusal(place, "/new")
    with RecordingClient(f"http://{place[0]}") as client, pytest.raises(NotAsked, match="timeout_s"):
        client.get("/new")


def test_what_is_never_late_is_asked_on_beside_one_that_always_is(place) -> None:
    for number in range(1000):
        ask(place, "/slow", 4.0)
        assert ask(place, f"/{number % 50}", 0.9) == 0.9
    assert "timeout_s" in refusal(place, "/slow")
    assert seconds(place, "/new") == USUAL_S


def test_one_with_more_time_of_its_profile_may_be_later(place) -> None:
    for number in range(100):
        wait_for(place, f"GET /{number}", 60.0).was_answered(6.0)
    assert wait_for(place, "GET /new", 60.0).seconds == 60.0


@pytest.mark.parametrize("seed", range(30))
def test_any_mix_of_answers_and_silence_costs_a_bounded_time(place, seed) -> None:
    chance = random.Random(seed)  # noqa: S311 - a drawing, no secret
    paths, hanging = chance.choice([1, 10, 1000]), chance.random()
    answers, waited_s = 0, 0.0
    for _ in range(2000):
        hangs = chance.random() < hanging
        took_s = ask(place, f"/{chance.randrange(paths)}", 1e9 if hangs else chance.choice([0.0, 0.5, 1.0, 9.0]))
        answers += not hangs
        waited_s += max(0.0, took_s - 1.0) if not hangs else took_s
    allowed = 2 * USUAL_S + 16 + USUAL_S + USUAL_S / 200 * answers + 25 + 10 * USUAL_S
    assert waited_s <= allowed, (paths, hanging)


def test_all_processes_share_the_account(tmp_path) -> None:
    first, second = ("first.test", 80), ("second.test", 80)
    for place in (first, second):
        count_waits(place, str(tmp_path))
    for number in range(1000):
        ask(first, f"/{number}", 1e9)
    assert refusal(second, "/")


def test_what_breaks_off_after_a_while_was_waited_for_in_vain_and_what_breaks_off_at_once_was_not(place) -> None:
    for number in range(1000):
        wait_for(place, f"GET /{number}", USUAL_S).broke_off(0.1)
    assert seconds(place, "/new") == USUAL_S
    waited_s = 0.0
    for number in range(1000):
        wait = wait_for(place, f"GET /{number}", USUAL_S)
        took_s = min(5.0, wait.seconds)
        if not wait.refusal:
            wait.broke_off(took_s) if took_s < wait.seconds else wait.in_vain(took_s)
            waited_s += took_s
    assert waited_s <= 2 * USUAL_S + 16
    assert "waited for in vain" in refusal(place, "/new")
