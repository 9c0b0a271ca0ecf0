"""The work of each job, by its name: it takes a Run and returns a sentence on what it did."""

from collections.abc import Awaitable, Callable, Mapping

from dealradar.jobs import alerts, cleanup, imports, rollup, warm
from dealradar.jobs.run import Run

WORK: Mapping[str, Callable[[Run], Awaitable[str]]] = {
    "alerts": alerts.work,
    "imports": imports.work,
    "rollup": rollup.work,
    "cleanup": cleanup.work,
    "warm": warm.work,
}
