"""Computes what is asked for most before anybody has to wait for it."""

from dealradar.jobs.run import Run
from dealradar.warmer import warm


async def work(run: Run) -> str:
    """Ask this process's own copy of the service; its answers go into the cache of all. Nothing else is written."""
    from dealradar.app import build_cached  # the web framework, which no other job needs

    return f"{await warm(build_cached(run.services), run.services.cache)} answers computed"
