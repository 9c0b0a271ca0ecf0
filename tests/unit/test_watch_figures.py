"""What a service tells of itself: read with suspicion, and held to its bounds over time."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import Figure
from harness.watch.figures import FigureWatch, Increases, Selector, UnreadMetricsError, read_metrics

TEXT = b"""# TYPE jobs counter
jobs_total{state="dead",queue="a"} 2
jobs_total{state="dead",queue="b"} 3
jobs_total{state="sent",queue="a"} 95
odd{name="a\\"b\\\\c"} 1
nothing NaN
process_start_time_seconds 1000
"""


def test_samples_are_selected_by_name_and_labels_and_added_up():
    reading = read_metrics(TEXT)
    assert reading.total(Selector.parse('jobs_total{state="dead"}')) == 5
    assert reading.total(Selector.parse("jobs_total")) == 100
    assert reading.total(Selector.parse('jobs_total{state="dead", queue="b"}')) == 3
    assert reading.total(Selector.parse('odd{name="a\\"b\\\\c"}')) == 1
    assert reading.total(Selector.parse("nothing")) is None
    assert reading.total(Selector.parse('jobs_total{state="lost"}')) is None
    assert reading.process == 1000


@pytest.mark.parametrize(
    "body",
    [b"", b"# only words\n", b"\xff\xfe", b"<html><body>hello</body></html>", b'{"a": 1}', b"a b c d"],
)
def test_what_is_no_such_text_is_refused(body):
    with pytest.raises(UnreadMetricsError):
        read_metrics(body)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_body_is_read_or_refused(body):
    for kind in ("text/plain", "application/openmetrics-text; version=1.0.0"):
        with suppress(UnreadMetricsError):
            assert read_metrics(body, kind).samples


def readings(values, *, name="x", process=1.0):
    return [
        ("/metrics", read_metrics(f"{name} {value}\nprocess_start_time_seconds {process}\n".encode()))
        for value in values
    ]


def states(figure: Figure, values, *, every=1.0, hold=3.0, final=False):
    watch, found = FigureWatch("f", figure, hold), []
    for number, value in enumerate(values):
        watch.read(number * every, readings([value]) if value is not None else [])
        found.append(watch.condition(number * every, final=final).state)
    return found


def test_a_figure_must_stay_out_of_its_bounds_before_it_is_bad_and_within_before_it_is_good():
    limit = Figure(metric="x", at_most=10)
    assert states(limit, [11] * 5) == ["unclear", "unclear", "unclear", "bad", "bad"]
    assert states(limit, [11, 11, 9, 11, 11, 11]) == ["unclear"] * 6
    assert states(limit, [9] * 4) == ["unclear", "unclear", "good", "good"]
    assert states(limit, [11] * 4, final=True) == ["unclear", "unclear", "bad", "bad"]


def test_no_data_are_neither_good_nor_bad():
    assert states(Figure(metric="x", at_least=1), [None] * 9) == ["unclear"] * 9
    assert states(Figure(metric="y", at_least=1), [0] * 9) == ["unclear"] * 9
    assert states(Figure(metric="x", at_most=1), [5, 5, None, 5, 5, 5]) == ["unclear"] * 6


def test_a_heartbeat_is_stale_by_our_clock_whatever_time_it_tells():
    beat = Figure(metric="x", read="stale_s", at_most=4)
    watch = FigureWatch("beat", beat, 1.0)
    for at, value in enumerate([50, 51, 7, 99, 99, 99, 99, 99, 99]):
        watch.read(float(at), readings([value]))
        assert (watch.value or 0) == max(0, at - 3)
    assert watch.condition(8.0).state == "unclear"
    for at in (9.0, 10.0):
        watch.read(at, readings([99]))
    assert watch.condition(10.0).state == "bad"


def test_a_share_of_growth_needs_growth():
    watch = FigureWatch("hits", Figure(metric='c{r="hit"}', over="c", read="rate", at_least=0.5), 60.0)

    def told(hits: int, misses: int):
        return [("/m", read_metrics(f'c{{r="hit"}} {hits}\nc{{r="miss"}} {misses}\n'.encode()))]

    for at, pair in enumerate([(1000, 0), (1000, 0), (1001, 3)]):
        watch.read(float(at), told(*pair))
    assert watch.value == 0.25
    watch.read(3.0, told(1000, 0))  # began anew: no negative growth
    assert watch.value == 0.25


def test_counters_of_several_processes_behind_one_address_do_not_mix():
    increases = Increases(100)
    for at, (process, value) in enumerate([(1, 100), (2, 5), (1, 110), (2, 6), (1, 120)]):
        increases.add(float(at), ("/m", float(process)), float(value), 0.0)
    assert increases.rate() == (10 + 1 + 10) / (2 + 2 + 2)


@given(st.lists(st.integers(-5, 20), min_size=2, max_size=50))
def test_growth_is_never_negative_and_never_more_than_was_counted(steps):
    increases, value, grown = Increases(1000), 100, 0
    increases.add(0.0, ("/m", 1.0), 100.0, 0.0)
    for at, step in enumerate(steps, start=1):
        value += step
        grown += max(0, step)
        increases.add(float(at), ("/m", 1.0), float(value), 0.0)
        rate = increases.rate()
        assert rate is None or 0 <= rate * at <= grown * at + 1e-6


def told_at(**values: float):
    return [(place, read_metrics(f"x {value}\n".encode())) for place, value in values.items()]


def test_growth_of_several_places_is_added_and_the_worst_place_is_the_value():
    increases = Increases(100)
    for at in range(5):
        for place in "ab":
            increases.add(float(at), (place, 1.0), at * 3.0, 0.0)
    assert increases.rate() == 6
    for bounds, worst in (({"at_most": 5}, 7), ({"at_least": 1}, 2), ({"at_least": 3, "at_most": 8}, 2)):
        watch = FigureWatch("f", Figure(metric="x", **bounds), 1.0)
        watch.read(0.0, told_at(a=2, b=7))
        assert watch.value == worst


def test_one_worker_that_stands_still_or_is_gone_is_not_hidden_by_the_others():
    for frozen in ({"b": 5.0}, {}):
        watch = FigureWatch("beat", Figure(metric="x", read="stale_s", at_most=4), 1.0)
        watch.read(0.0, told_at(a=1, b=5))
        for at in range(1, 8):
            watch.read(float(at), told_at(a=1 + at, **frozen))
        assert watch.value == 7
