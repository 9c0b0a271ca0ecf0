"""Computes what is asked for most before anybody has to wait for it."""

import asyncio

from dealradar.jobs.run import Run
from dealradar.warmer import warm


async def work(run: Run) -> str:
    """Ask this process's own copy of the service; its answers go into the cache of all. Nothing else is written."""
    from dealradar.app import build_cached  # the web framework, which no other job needs

    # In a thread, as it takes longer than a short-lived lock can wait for its renewal.
    app = await asyncio.to_thread(build_cached, run.services)
    return f"{await warm(app, run.services.cache)} answers computed"
