"""Computes what is asked for most before anybody has to wait for it."""

from dealradar.jobs.run import Run, Work
from dealradar.state import Services
from dealradar.warmer import warm


def prepared(services: Services) -> Work:
    """The work, with this process's own copy of the service; its answers go into the cache of all. Nothing else is
    written.
    """
    from dealradar.app import build_cached  # the web framework, which no other job needs

    app = build_cached(services)

    async def work(run: Run) -> str:
        return f"{await warm(app, run.services.cache)} answers computed"

    return work
