"""How what runs on and on comes to its end: a worker hears the signal whatever its jobs do, and is gone in time."""

import asyncio
import contextlib
import faulthandler
import signal
import threading
from collections.abc import Callable

# For what is under way; then it is broken off, and the worker lets go what it holds, which takes a moment.
DRAIN_SECONDS = 4.0
# For all: under the 10 s after which most supervisors kill. What is still held then goes away at the end of its TTL.
END_SECONDS = 8.0

_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def hold_signals() -> None:
    """Keep SIGTERM and SIGINT back until somebody listens. To be called before there are other threads: they inherit
    it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def listen(told: Callable[[], None]) -> None:
    """Let the running loop call `told` at the first signal. END_SECONDS later the process is ended with status 1, if it
    is still there: because a job blocks the loop or a thread, or heeds no cancellation. Where it hung is on standard
    error then.
    """
    loop = asyncio.get_running_loop()

    def wait() -> None:
        signal.sigwait(_SIGNALS)
        faulthandler.dump_traceback_later(END_SECONDS, exit=True)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the worker has ended by itself
            loop.call_soon_threadsafe(told)

    # A thread, as the handlers of a loop wait for whatever blocks it.
    threading.Thread(target=wait, name="signals", daemon=True).start()


def ended() -> None:
    """Nothing is under way any more: the rest is the interpreter's, which on a busy machine may need as long again."""
    faulthandler.dump_traceback_later(END_SECONDS, exit=True)


def was_cancelled() -> bool:
    """Whether somebody cancelled the running task. What runs until it is cancelled asks this: asyncio.wait_for (before
    Python 3.12), which the client of Valkey uses, swallows a cancellation that comes with the result.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the stop. Unlike asyncio.wait_for (before Python 3.12) it never swallows a cancellation."""
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({waiting}, timeout=max(0.0, seconds))
    finally:
        waiting.cancel()
