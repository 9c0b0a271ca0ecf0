"""Walks through a model beside a service: found, cut down, bounded, and the same for the same seed."""

import pytest
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.testing.models import ModelError, ModelWalk, WalkPlan, step, walk_model


class Counter:
    """A service that counts, and forgets its third addition after a reset."""

    def __init__(self, *, right=False):
        self.right, self.value, self.since_reset = right, 0, None

    def add(self, n):
        self.since_reset = None if self.since_reset is None else self.since_reset + 1
        if self.right or self.since_reset != 3:
            self.value += n

    def reset(self):
        self.value, self.since_reset = 0, 0


class CounterWalk(ModelWalk):
    def __init__(self, service, log):
        self.service, self.value, self.log = service, 0, log

    @step(n=st.integers(1, 9))
    def add(self, n):
        self.log.append(n)
        self.service.add(n)
        self.value += n

    @step()
    def reset(self):
        self.service.reset()
        self.value = 0

    def agree(self):
        assert self.service.value == self.value

    def end(self):
        self.log.append("end")


def plan(**changes):
    return WalkPlan(**{"seed": 1, "walks": 8, "steps": 30, "seconds": 30.0, "shrink_s": 30.0} | changes)


def failure(**changes):
    log = []
    with pytest.raises(AssertionError) as caught:
        walk_model(CounterWalk, lambda: CounterWalk(Counter(), log), plan(**changes))
    (told,) = caught.value.__notes__
    return told, log


def test_a_walk_that_fails_is_cut_down_to_the_steps_that_matter():
    told, _ = failure()
    assert told.startswith("after 4 steps: reset(); add(n=")
    assert told.count("add(n=") == 3


def test_the_same_seed_takes_the_same_steps():
    assert failure(seed=5, shrink_s=0.0) == failure(seed=5, shrink_s=0.0)
    assert failure(seed=5, shrink_s=0.0) != failure(seed=6, shrink_s=0.0)


def test_without_time_to_shrink_it_is_told_as_it_was_found():
    told, log = failure(shrink_s=0.0)
    assert int(told.split()[1]) > 4
    assert log.count("end") <= 9


def test_a_walk_without_a_contradiction_says_how_far_it_went():
    log = []
    count = walk_model(CounterWalk, lambda: CounterWalk(Counter(right=True), log), plan())
    assert (count.walks, log.count("end")) == (9, 9)
    assert count.steps == 8 * 30 + 3


def test_no_walk_begins_after_its_time():
    log = []
    assert walk_model(CounterWalk, lambda: CounterWalk(Counter(right=True), log), plan(seconds=-1.0)).walks == 0
    assert log == []


def test_a_model_that_contradicts_itself_is_no_fault_of_the_service():
    class Confused(CounterWalk):
        @step()
        def err(self):
            raise ModelError("a count is negative")

        def agree(self):
            pass

    with pytest.raises(ModelError) as caught:
        walk_model(Confused, lambda: Confused(Counter(right=True), []), plan())
    assert isinstance(caught.value, HarnessError)
    assert caught.value.__notes__ == ["after 1 steps: err()"]
