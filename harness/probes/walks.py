"""Random walks through a model and the service beside it: what one step does, both do, and then they are compared.

What the steps are and what they are given is drawn by Hypothesis. A walk that fails is cut down here: a walk over a
network costs what ten thousand in memory do, so the time is bounded and steps are left out, no value is made smaller.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy, fixed_dictionaries, just, lists, one_of, tuples

from harness.errors import HarnessError

_VALUES = "_step_values"
_SIMPLEST = 3
"""Steps of the first walk: Hypothesis begins with the simplest of all, which is one step over and over."""


class ModelError(HarnessError):
    """A model contradicts itself: that is no fault of the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPlan:
    """How far to walk, and by which seed; the same seed takes the same steps."""

    seed: int
    walks: int
    steps: int
    seconds: float
    """After so long no further step is taken."""
    shrink_s: float
    """How long a failing walk may be repeated with less and less; 0 tells it as it was found."""


@dataclass(slots=True)
class WalkCount:
    """How far it went."""

    walks: int = 0
    steps: int = 0


class ModelWalk:
    """A model, whose steps are methods marked by `step`; a walk is one instance of it."""

    def agree(self) -> None:
        """Hold what the service shows against the model. Raises AssertionError where they contradict each other."""

    def end(self) -> None:
        """Take away what the walk made; called whatever happened."""


Step = tuple[str, dict[str, Any]]
_Method = Callable[..., None]


def step(**values: SearchStrategy[Any]) -> Callable[[_Method], _Method]:
    """Mark a method of a `ModelWalk` as a step, with what each of its arguments is drawn from."""

    def mark(method: _Method) -> _Method:
        setattr(method, _VALUES, values)
        return method

    return mark


class _OutOfTime(BaseException):
    """Ends Hypothesis' search from within; it catches every `Exception`."""


@dataclass(slots=True)
class _Course:
    """What became of the walks so far."""

    begin: Callable[[], ModelWalk]
    last: float
    """When no further step is taken."""
    count: WalkCount = field(default_factory=WalkCount)
    steps: tuple[Step, ...] = ()
    """Of the shortest walk that failed."""
    error: Exception | None = None

    def walk(self, steps: Sequence[Step]) -> bool:
        """Take these steps; whether model and service agreed all the way."""
        taken = 0
        walk = self.begin()
        try:
            for name, values in steps:
                if time.monotonic() > self.last:
                    return True
                taken += 1
                getattr(walk, name)(**values)
                walk.agree()
        except Exception as error:  # noqa: BLE001 - raised again, with its steps, once they are few
            if self.error is not None and type(error) is not type(self.error):
                return True
            self.error, self.steps = error, tuple(steps[:taken])
            return False
        finally:
            self.count.walks += 1
            self.count.steps += taken
            walk.end()
        return True

    def cut_down(self) -> None:
        """Repeat the failing walk without some of its steps: first halves of it, at last single ones."""
        size = len(self.steps) // 2
        while size:
            end = len(self.steps) - 1  # the last step is where it was seen
            while end > 0 and time.monotonic() < self.last:
                self.walk((*self.steps[: max(0, end - size)], *self.steps[end:]))
                end = min(end - size, len(self.steps) - 1)
            size //= 2


def walk_model(model: type[ModelWalk], begin: Callable[[], ModelWalk], plan: WalkPlan) -> WalkCount:
    """Take random steps of `model` on the service, each walk as `begin` makes it; gives how far it went.

    Raises what the shortest failing walk raised, with its steps as a note.
    """
    marked = {name: values for name, one in vars(model).items() if (values := getattr(one, _VALUES, None)) is not None}
    drawn = one_of([tuples(just(name), fixed_dictionaries(values)) for name, values in marked.items()])
    course = _Course(begin, time.monotonic() + plan.seconds)

    @seed(plan.seed)
    @settings(
        max_examples=plan.walks + 1,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(lists(drawn, min_size=plan.steps, max_size=plan.steps))
    def go(steps: list[Step]) -> None:
        if time.monotonic() > course.last or not course.walk(steps if course.count.walks else steps[:_SIMPLEST]):
            raise _OutOfTime

    with contextlib.suppress(_OutOfTime):
        go()
    if course.error is None:
        return course.count
    course.last = time.monotonic() + plan.shrink_s
    course.cut_down()
    course.error.add_note(f"after {len(course.steps)} steps: " + "; ".join(map(_told, course.steps)))
    raise course.error


def _told(taken: Step) -> str:
    name, values = taken
    return f"{name}({', '.join(f'{each}={value!r}' for each, value in values.items())})"
