"""When each request is due. The whole schedule is drawn before the first request is sent, from the plan's seed.

Arrivals do not depend on answers (an open workload): Schroeder, Wierman and Harchol-Balter, "Open Versus Closed: A
Cautionary Tale", NSDI 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.load.plan import LoadPlan, Stage

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Arrivals in order: seconds after the start, the request's number, the client's number, the stage's number."""

    due: Floats
    request: NDArray[np.uint16]
    client: NDArray[np.uint32]
    stage: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.due)

    def share(self, part: int, parts: int) -> Schedule:
        """Every `parts`-th arrival: what one of several workers sends."""
        rows = slice(part, None, parts)
        return Schedule(self.due[rows], self.request[rows], self.client[rows], self.stage[rows])


def draw_schedule(plan: LoadPlan) -> Schedule:
    """The plan's arrivals; the same for the same plan and seed.

    Clients take turns, so that none of them sends more than its share whatever the draw.
    """
    random = np.random.default_rng(plan.seed)
    pieces: list[Floats] = []
    stages: list[NDArray[np.uint16]] = []
    begin = 0.0
    for number, stage in enumerate(plan.stages):
        piece = begin + _stage_arrivals(stage, random, uniform=plan.arrivals == "uniform")
        pieces.append(piece)
        stages.append(np.full(len(piece), number, dtype=np.uint16))
        begin += stage.seconds
    due = np.concatenate(pieces)
    weights = np.array([request.weight for request in plan.requests])
    request = random.choice(len(weights), size=len(due), p=weights / weights.sum()).astype(np.uint16)
    client = (np.arange(len(due)) % plan.clients).astype(np.uint32)
    return Schedule(due, request, client, np.concatenate(stages))


def _stage_arrivals(stage: Stage, random: np.random.Generator, *, uniform: bool) -> Floats:
    """Due times of one stage from its own start.

    Both models lay points on the axis of the expected count and map them back to time. Uniform: equally spaced.
    Poisson: their number is Poisson, their places independent (Lewis and Shedler 1979, for a rate that changes).
    """
    expected = stage.arrivals
    if uniform:
        counts = np.arange(round(expected)) + 0.5
        counts *= expected / max(1, round(expected))
    else:
        counts = np.sort(random.uniform(0.0, expected, size=random.poisson(expected)))
    slope = (stage.end_rate - stage.rate) / stage.seconds
    # the root of rate*t + slope*t²/2 = count, in the form that holds for slope 0 and does not cancel
    root = np.sqrt(np.maximum(stage.rate**2 + 2 * slope * counts, 0.0))
    times: Floats = np.where(counts > 0, 2 * counts / np.maximum(stage.rate + root, 1e-300), 0.0)
    return np.minimum(times, stage.seconds)
