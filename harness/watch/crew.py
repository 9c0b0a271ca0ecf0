"""Threads that ask, so that one path that hangs keeps nobody else waiting, and none is waited for at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, Queue, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Crew(Generic[T]):
    """A few daemon threads; what they bring is taken in one place. A job must not raise."""

    def __init__(self, hands: int) -> None:
        self._jobs: SimpleQueue[Callable[[], T]] = SimpleQueue()
        # no SimpleQueue: CPython 3.11's waits for ever where a signal comes just before its time-out ends
        self._brought: Queue[T] = Queue()
        for _ in range(hands):
            threading.Thread(target=self._work, daemon=True, name="watch").start()

    def send(self, job: Callable[[], T]) -> None:
        """Have a job done when a hand is free."""
        self._jobs.put(job)

    def next(self, timeout_s: float) -> T | None:
        """What was brought first; None if nothing is within that time."""
        try:
            return self._brought.get(timeout=max(0.0, timeout_s))
        except Empty:
            return None

    def _work(self) -> None:
        while True:
            self._brought.put(self._jobs.get()())
