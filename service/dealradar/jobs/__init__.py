"""The work of each job, by its name: it takes a Run and returns a sentence on what it did."""

from collections.abc import Mapping

from dealradar.jobs import alerts, cleanup, imports, rollup, warm
from dealradar.jobs.run import Work
from dealradar.state import Services


def prepared(services: Services) -> Mapping[str, Work]:
    """What each job of the settings does. `warm` needs its own copy of the service, which is made here, once."""
    work: dict[str, Work] = {
        "alerts": alerts.work,
        "imports": imports.work,
        "rollup": rollup.work,
        "cleanup": cleanup.work,
    }
    if "warm" in services.settings.jobs:
        work["warm"] = warm.prepared(services)
    return work
