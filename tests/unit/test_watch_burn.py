"""Two weeks in seconds: budgets, windows and alerts by the time that they are given."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from math import pi, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import BurnRule, Slo, WatchRules
from harness.watch.alerts import AlertBook, AlertChange, Condition
from harness.watch.burn import ALL, BurnRates
from harness.watch.windows import BUCKETS, Counts, Window

HOUR, DAY = 3600.0, 86_400.0
AVAILABILITY = Slo(name="availability", objective=0.9995)
LATENCY = Slo(name="latency", objective=0.99, below_ms=1000)
RULES = WatchRules(slo=(AVAILABILITY, LATENCY))
STEP = 30.0
NOISE = 0.0002

Share = Callable[[float, str], float]
"""(time, path) -> the share of bad events."""


def drawn(generator: random.Random, total: int, share: float) -> int:
    """How many of so many are bad: by a Poisson draw, quick for the small shares of noise."""
    mean, bad, product = total * share, 0, generator.random()
    if mean > 20:
        return min(total, max(0, round(generator.gauss(mean, mean**0.5))))
    limit = 2.718281828459045**-mean
    while product > limit:
        bad, product = bad + 1, product * generator.random()
    return min(total, bad)


def simulate(
    days: float, errors: Share, slow: Share = lambda _at, _path: 0.0, *, scale: float = 1.0, seed: int = 1
) -> Iterator[AlertChange]:
    """A service with three paths, and traffic that comes in waves of a day; `scale` squeezes all time."""
    generator = random.Random(seed)  # noqa: S311 - noise, no secret
    rules = WatchRules(slo=RULES.slo, scale=scale)
    rates, ids = BurnRates(rules), itertools.count(1)
    book = AlertBook(pause_s=60 * scale, name=lambda: str(next(ids)))
    for number in range(int(days * DAY / STEP)):
        real = number * STEP
        at = real * scale
        traffic = 30 + int(20 * sin(2 * pi * real / DAY))
        for path in ("/a", "/b", "/c"):
            bad = drawn(generator, traffic, errors(real, path))
            late = drawn(generator, traffic - bad, slow(real, path))
            for subject in (path, ALL):
                rates.add(AVAILABILITY, subject, at, traffic, bad)
                if traffic > bad:
                    rates.add(LATENCY, subject, at, traffic - bad, late)
        yield from book.update(rates.conditions(at, is_active=book.is_active), at)


def noise(_at: float, _path: str) -> float:
    return NOISE


@pytest.mark.parametrize("seed", [1, 2])
def test_two_weeks_of_healthy_noise_alert_of_nothing(seed):
    assert list(simulate(14, noise, lambda _at, _path: 0.002, scale=0.001, seed=seed)) == []


def between(begin: float, hours: float, share: float, paths: str = "/a/b/c") -> Share:
    return lambda at, path: share if begin <= at < begin + hours * HOUR and path in paths else 0.0


ERROR_INCIDENTS: list[Share] = [
    between(0.5 * DAY, 0.1, 1.0),  # gone for six minutes
    between(1.5 * DAY, 1, 0.05),
    between(2.5 * DAY, 0.5, 0.2, "/b"),  # one path
    between(4 * DAY, 6, 0.02),
    between(5.5 * DAY, 12, 0.008),  # a slow burn
    lambda at, _path: 0.5 if 7 * DAY <= at < 7 * DAY + HOUR and at % 600 < 120 else 0.0,  # flapping
    lambda at, _path: 0.3 * max(0.0, 1 - abs(at - 8.5 * DAY) / HOUR),  # comes and goes slowly
    between(9.6 * DAY, 0.03, 1.0, "/c"),  # two minutes of one path
]
SLOW_INCIDENTS: list[Share] = [
    between(10.2 * DAY, 2, 0.5),
    between(11.2 * DAY, 0.5, 1.0, "/a"),
    between(12.1 * DAY, 5, 0.2),
    lambda at, _path: 0.9 if 13 * DAY <= at < 13 * DAY + 3 * HOUR and at % 900 < 300 else 0.0,
]


def test_twelve_incidents_in_two_weeks_are_twelve_alerts_each_ended_and_no_others():
    changes = list(
        simulate(
            14,
            lambda at, path: NOISE + max(each(at, path) for each in ERROR_INCIDENTS),
            lambda at, path: 0.002 + max(each(at, path) for each in SLOW_INCIDENTS),
            scale=0.001,
        )
    )
    fired = [change for change in changes if change.event == "fired"]
    begun = [0.5, 1.5, 2.5, 4, 5.5, 7, 8.5 - 1 / 24, 9.6, 10.2, 11.2, 12.1, 13]
    assert len(fired) == 12
    for change, day in zip(fired, begun, strict=True):
        assert day <= change.at / 0.001 / DAY <= day + 0.4, change
    assert Counter(change.alert for change in fired) == {"availability": 8, "latency": 4}
    assert Counter(change.id for change in changes if change.event == "resolved") == Counter(each.id for each in fired)


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_five_percent_are_alerted_within_two_short_windows(scale):
    planted = 6 * HOUR
    changes = list(simulate(0.4, lambda at, _path: 0.05 if at >= planted else 0.0, scale=scale))
    page = next(change for change in changes if change.severity == "page")
    assert planted < changes[0].at / scale <= page.at / scale <= planted + 2 * RULES.burn[0].short_s
    assert "availability" in page.text


def test_a_page_that_is_over_is_eased_to_a_ticket_before_it_ends():
    told = [
        (change.event, change.severity)
        for change in simulate(1.2, lambda at, _path: 1.0 if 6 * HOUR <= at < 6.2 * HOUR else 0.0)
    ]
    assert told == [("fired", "page"), ("changed", "ticket"), ("resolved", "ticket")]


# --- the rules, one by one

QUICK = WatchRules(slo=(AVAILABILITY,), burn=(BurnRule(long_s=60, short_s=5, burn=14.4),))


def conditions(events: list[tuple[float, int, int]], now: float, *, final: bool = False, active: bool = False):
    rates = BurnRates(QUICK)
    for at, total, bad in events:
        rates.add(AVAILABILITY, "/a", at, total, bad)
    return [each.state for each in rates.conditions(now, is_active=lambda *_: active, final=final)]


def test_no_traffic_burns_nothing_and_ends_nothing():
    assert Counts(0, 0).burn(0.001) is None
    assert conditions([], 100) == []
    assert conditions([(0, 100, 100)], 1000, active=True) == []  # long gone


def test_one_bad_event_is_no_alert_and_two_are():
    assert conditions([(0, 1, 0), (9, 1, 1)], 10) == []
    assert conditions([(0, 1, 0), (9, 2, 2)], 10) == ["bad"]


def test_two_bad_answers_of_many_are_noise_to_who_looks_for_weeks_and_not_to_who_looks_once():
    events = [(0, 118, 0), (56, 1, 1), (58, 1, 1)]
    assert conditions(events, 59) == []
    assert conditions(events, 59, final=True) == ["bad"]
    assert conditions([*events, (58.5, 3, 3)], 59) == ["bad"]


def test_an_alert_waits_for_its_short_window_but_not_for_the_end():
    assert conditions([(0, 3, 3)], 4) == []
    assert conditions([(0, 3, 3)], 4, final=True) == ["bad"]
    assert conditions([(0, 3, 3)], 5) == []  # the short window is empty again
    assert conditions([(0, 3, 3), (4.9, 3, 3)], 5) == ["bad"]


def test_an_alert_ends_well_below_the_limit_that_began_it():
    limit = 14.4 * AVAILABILITY.budget
    burning = [(0.0, 10_000, 9000)]
    for share, state in ((0.6, "unclear"), (0.4, "good")):
        assert conditions([*burning, (20.0, 100_000, round(100_000 * limit * share))], 20, active=True) == [state]


@given(
    st.lists(st.tuples(st.floats(0, 50), st.integers(0, 5), st.integers(0, 5)), max_size=60),
    st.floats(0.5, 100),
)
def test_a_window_counts_what_lies_in_it_to_the_width_of_a_bucket(steps, seconds):
    window, at, events = Window(seconds), 0.0, []
    for pause, good, bad in steps:
        at += pause
        window.add(at, good + bad, bad)
        events.append((at, good + bad, bad))
    now, width = at, seconds / BUCKETS
    surely = [each for each in events if each[0] > now - seconds + 1.001 * width]
    maybe = [each for each in events if each[0] > now - seconds - 0.001 * width]
    counts = window.counts(now)
    assert sum(each[1] for each in surely) <= counts.total <= sum(each[1] for each in maybe)
    assert sum(each[2] for each in surely) <= counts.bad <= sum(each[2] for each in maybe)
    assert len(window.dump()) <= BUCKETS + 1
    again = Window(seconds)
    again.load(window.dump(), 0.0)
    assert again.counts(now) == counts


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from(["bad", "unclear", "good"]))))
def test_alerts_begin_and_end_in_turn_whatever_the_rules_say(steps):
    ids = itertools.count()
    book, told = AlertBook(pause_s=0, name=lambda: str(next(ids))), []
    for now, (subject, rule, state) in enumerate(steps):
        severity = "page" if rule == "x" else "ticket"
        told += book.update(
            [Condition(alert="slo", subject=subject, rule=rule, severity=severity, state=state, text="t")], float(now)
        )
    events = [change.event for change in told if change.event != "changed"]
    assert events == (["fired", "resolved"] * len(events))[: len(events)]
    assert bool(book.open) == (len(events) % 2 == 1)
    assert len({change.id for change in told}) == sum(event == "fired" for event in events)


def test_more_places_of_one_alert_are_told_together_after_a_pause():
    book = AlertBook(pause_s=60, name=lambda: "1")

    def bad(*subjects: str):
        return [
            Condition(alert="slo", subject=each, rule="x", severity="page", state="bad", text="t") for each in subjects
        ]

    assert [each.event for each in book.update(bad("/a"), 0)] == ["fired"]
    assert book.update(bad("/a", "/b"), 10) == ()
    (change,) = book.update(bad("/a", "/b", "/c"), 61)
    assert (change.event, change.subjects) == ("changed", ("/a", "/b", "/c"))
