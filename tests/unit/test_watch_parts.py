"""Turns, state and advice: the smaller parts of the watch."""

import os
import signal
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import Slo, WatchRules
from harness.watch.core import Watcher
from harness.watch.delivery import AlertMessage, DeliveryError, Outbox
from harness.watch.loop import Crew
from harness.watch.observations import Scaling
from harness.watch.rota import MOST_PER_SECOND, Probe, Rota
from harness.watch.state import FILE, WatchState, load_state, save_state, take_over

RULES = WatchRules(slo=(Slo(name="availability", objective=0.999),))


def watcher() -> Watcher:
    made = Watcher(rules=RULES, figures={}, name_alert=lambda: "id")
    made.set_paths(["/a", "/b"])
    return made


def probe(path: str, at: float, outcome: str = "good", **words: object) -> Probe:
    return Probe(path=path, at=at, outcome=outcome, answered=True, **words)


# --- turns


def turns(rota: Rota, seconds: float, outcome=lambda _path, _number: "good", ms: float = 1.0) -> Counter[str]:
    asked: Counter[str] = Counter()
    for step in range(int(seconds * 100)):
        now = step / 100
        due = rota.due(now)
        if due is not None:
            asked[due[0]] += 1
            rota.done(probe(due[0], now, outcome(due[0], asked[due[0]]), ms=ms, confirms=due[1]))
    return asked


def test_each_path_is_asked_in_its_turn_and_all_together_not_too_often():
    rota = Rota(every_s=1.0)
    rota.set_paths(["/a", "/b", "/c"])
    assert set(turns(rota, 30).values()) <= {29, 30, 31}
    rota.set_paths([f"/{number}" for number in range(40)])
    assert sum(turns(rota, 10).values()) <= 10 * MOST_PER_SECOND + 1


def test_a_path_that_failed_is_asked_oftener_and_the_others_as_before():
    rota = Rota(every_s=1.0)
    rota.set_paths(["/a", "/b", "/c"])
    asked = turns(rota, 30, lambda path, number: "bad" if (path, number) == ("/b", 5) else "good")
    assert asked["/b"] >= 60
    assert asked["/a"] >= 25


def test_a_refusal_is_heeded_and_the_pace_falls():
    rota = Rota(every_s=0.1)
    rota.set_paths(["/a"])
    before = turns(rota, 5)["/a"]
    due = rota.due(100.0)
    assert due is not None
    rota.done(probe("/a", 100.0, "refused", wait_s=20))
    assert rota.due(119.9) is None
    assert rota.due(120.1) == ("/a", False)
    assert before > 30
    assert rota.gap_s >= 0.19


def test_a_slow_service_has_one_question_of_ours_at_a_time():
    rota = Rota(every_s=0.05)
    rota.set_paths(["/a"])
    turns(rota, 10, ms=500)
    assert rota.gap_s > 0.4


@given(st.lists(st.tuples(st.sampled_from(["good", "bad", "refused"]), st.floats(0, 5)), max_size=80))
def test_no_path_is_asked_twice_at_once_and_the_turns_go_on_for_ever(steps):
    rota, now, out = Rota(every_s=1.0), 0.0, set()
    rota.set_paths(["/a", "/b"])
    for outcome, pause in steps:
        now += pause
        due = rota.due(now)
        if due is not None:
            assert due[0] not in out
            out.add(due[0])
        if outcome != "bad" or len(out) == 2:
            for path in sorted(out):
                rota.done(probe(path, now, outcome))
            out.clear()
    for path in out:
        rota.done(probe(path, now))
    assert rota.due(now + 1000) is not None


@pytest.mark.timeout(30)
def test_a_signal_that_comes_just_before_a_wait_ends_does_not_make_it_endless():
    crew: Crew[int] = Crew(1)
    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.03))
    try:
        for _ in range(10):
            threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert crew.next(0.015) is None
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGUSR1, before)
    crew.send(lambda: 7)
    assert crew.next(10) == 7


# --- what is counted


def test_a_refusal_counts_for_nothing_and_a_further_question_for_its_path_alone():
    made = watcher()
    made.answer(probe("/a", 1.0, "refused"))
    made.answer(probe("/a", 1.0, "bad", confirms=True))
    made.answer(probe("/b", 1.0, "good"))
    counted = {key[1]: (each.total, each.bad) for key, each in made.rates.series.items()}
    assert counted == {"/a": (1, 1), "/b": (1, 0), "ALL": (1, 0)}


def test_a_path_that_is_watched_no_more_shows_no_alert():
    made = watcher()
    for at in range(10):
        made.answer(probe("/a", float(at), "bad", confirms=True))
    assert [each.event for each in made.look(400.0 - 390, final=True)] == ["fired"]
    made.set_paths(["/b"])
    assert [each.event for each in made.look(11.0)] == ["resolved"]


# --- state


def test_a_state_goes_on_where_it_ended_and_after_a_new_start_of_the_machine_too(tmp_path, monkeypatch):
    first, now = watcher(), time.monotonic()
    for _ in range(50):
        first.answer(probe("/a", now, "bad"))
    assert first.look(now, final=True)
    save_state(tmp_path, "http://x", first, (), now)
    for boot, later in (("", now), ("other", 5.0)):
        state, said = load_state(tmp_path, "http://x")
        assert (said, state is not None) == ("", True)
        if boot:
            monkeypatch.setattr("harness.watch.state.boot_id", lambda: "other")
        again = watcher()
        take_over(again, state, later)
        counts = [series.windows[3600.0].counts(later).bad for series in again.rates.series.values()]
        assert counts == [50, 50]
        assert again.look(later) == ()
        assert set(again.book.open) == {"availability"}


def test_a_wall_clock_that_went_back_or_far_ahead_does_not_lengthen_what_was(tmp_path, monkeypatch):
    first, now = watcher(), time.monotonic()
    first.answer(probe("/a", now, "bad"))
    save_state(tmp_path, "http://x", first, (), now)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr("harness.watch.state.boot_id", lambda: "other")
    state, _ = load_state(tmp_path, "http://x")
    again = watcher()
    take_over(again, state, 1.0)
    windows = [series.windows[300.0] for series in again.rates.series.values()]
    assert [window.counts(1.0).total for window in windows] == [1, 1]
    assert [window.counts(302.0).total for window in windows] == [0, 0]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 9, "url": "x"}', b"\xff" * 99])
def test_a_damaged_state_is_said_and_put_aside(tmp_path, damage):
    (tmp_path / FILE).write_bytes(damage)
    for number in (1, 2):
        state, said = load_state(tmp_path, "http://x")
        assert state is None
        assert f"state-damaged-{number}.json" in said
        (tmp_path / FILE).write_bytes(damage)
    assert load_state(tmp_path / "none", "http://x") == (None, "")


def test_the_state_of_another_service_is_refused(tmp_path):
    save_state(tmp_path, "http://x", watcher(), (), 1.0)
    with pytest.raises(UsageError, match="is of http://x"):
        load_state(tmp_path, "http://y")


def test_a_version_that_is_not_ours_is_not_read(tmp_path):
    import msgspec

    later = WatchState(version=2, url="http://x", boot="", saved=0, saved_wall=0)
    (tmp_path / FILE).write_bytes(msgspec.json.encode(later))
    state, said = load_state(tmp_path, "http://x")
    assert (state, "version 2" in said) == (None, True)


# --- messages


def message(key: str) -> AlertMessage:
    return AlertMessage(
        key=key,
        id="1",
        event="fired",
        alert="a",
        severity="page",
        target="t",
        url="u",
        subjects=("/a",),
        text="t",
        at="",
        seconds=0,
    )


def test_messages_are_sent_in_their_order_and_what_nobody_takes_is_kept(monkeypatch):
    monkeypatch.setattr("harness.watch.delivery._FIRST_PAUSE_S", 0.01)
    taken: list[str] = []
    told: list[str] = []
    refuse = [3]

    def way(given: AlertMessage) -> None:
        if refuse[0] > 0:
            refuse[0] -= 1
            raise DeliveryError("busy")
        taken.append(given.key)

    def never(_given: AlertMessage) -> None:
        raise DeliveryError("gone", is_final=True)

    outbox = Outbox({"webhook": way, "mail": never}, told.append)
    for key in "abc":
        outbox.put(message(key))
    assert outbox.flush(20) == 0
    assert taken == ["a", "b", "c"]
    assert sum("tried again" in each for each in told) == 1
    assert sum("given up" in each for each in told) == 3

    stuck = Outbox({"webhook": lambda _: time.sleep(60)}, told.append)
    stuck.put(message("d"))
    assert stuck.flush(0.05) == 1
    assert [each.key for each in stuck.waiting] == ["d"]


# --- advice


@pytest.mark.parametrize(
    ("peak", "factor", "says"),
    [(35, 1, "no more instances"), (84, 1, "no more"), (85, 2, "2 times"), (500, 6, "6 times")],
)
def test_scaling_follows_from_the_peak_and_the_measured_capacity(peak, factor, says):
    advice = Scaling(peak_rps=peak, capacity_rps=120, most_share=0.7)
    assert advice.factor == factor
    assert says in str(advice)
