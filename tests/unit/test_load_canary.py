"""Would the canary's stall have been noticed?"""

import numpy as np

from harness.load.canary import Pause, look_for
from harness.load.samples import Samples


def trickle(rows):
    """Rows of (due, done) in seconds, sent when due."""
    due, done = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    blank = np.zeros(len(rows))
    return Samples(
        due=due,
        sent=due,
        done=done,
        request=blank.astype(np.uint16),
        client=blank.astype(np.uint32),
        stage=blank.astype(np.uint16),
        status=(blank + 200).astype(np.int16),
        size=blank.astype(np.uint32),
    )


PAUSE = Pause(begin=101.0, end=101.3)
"""The run began at 100."""


def test_an_open_loop_shows_the_pause_in_every_request_due_in_it():
    rows = [(0.95, 0.951), (1.0, 1.301), (1.05, 1.302), (1.1, 1.303), (1.15, 1.303), (1.2, 1.304), (1.35, 1.351)]
    seen = look_for(PAUSE, trickle(rows), started=100.0)
    assert seen.seen
    assert seen.requests == 5
    assert 295 < seen.seen_ms < 305


def test_a_closed_loop_sends_one_request_into_the_pause_and_is_found_out():
    rows = [(0.95, 0.951), (1.0, 1.301), (1.301, 1.302), (1.35, 1.351)]
    assert not look_for(PAUSE, trickle(rows), started=100.0).seen


def test_latency_from_sending_instead_of_from_due_is_found_out():
    rows = [(1.0, 1.301), (1.05, 1.051), (1.1, 1.101), (1.2, 1.201)]
    assert not look_for(PAUSE, trickle(rows), started=100.0).seen


def test_answers_from_a_server_that_should_stand_still_are_found_out():
    rows = [(1.0, 1.001), (1.05, 1.051), (1.1, 1.101)]
    assert not look_for(PAUSE, trickle(rows), started=100.0).seen


def test_traffic_that_never_reached_the_pause_has_seen_nothing():
    assert not look_for(PAUSE, trickle([(0.1, 0.101), (0.2, 0.201)]), started=100.0).seen
