"""Locust's processes seen from outside: started, told when to begin, listened to, ended."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from harness.errors import GeneratorError

_TAIL = 20
"""Lines of a dead generator's output that its error shows."""


class LocustWorkers:
    """One or more generators that share a plan; a context manager that leaves no process behind."""

    def __init__(self, commands: Sequence[Sequence[str]], log: Path) -> None:
        self._log = log
        self._texts: dict[int, bytes] = {}
        self._finished: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._processes: list[subprocess.Popen[bytes]] = []
        with log.open("wb") as errors:
            for words in commands:
                process = subprocess.Popen(
                    [sys.executable, "-m", "harness.load.process", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    bufsize=0,
                    start_new_session=True,
                )
                self._processes.append(process)
                if process.stdout is not None:
                    self._selector.register(process.stdout, selectors.EVENT_READ, len(self._processes) - 1)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes' ids."""
        return tuple(process.pid for process in self._processes)

    def tell(self, order: str) -> None:
        """Send one line to every worker; one that is gone already shows as such in `events`."""
        for process in self._processes:
            if process.stdin is not None:
                try:
                    process.stdin.write(f"{order}\n".encode())
                except BrokenPipeError:
                    continue

    def events(self, deadline: float) -> Iterator[tuple[int, dict[str, Any]]]:
        """What workers say until `deadline` (`time.monotonic`) or until all have finished, whichever is first.

        Raises `GeneratorError` if one ends without having said `finished`.
        """
        while len(self._finished) < len(self._processes):
            wait = deadline - time.monotonic()
            if wait <= 0:
                return
            for key, _ in self._selector.select(wait):
                yield from self._read(key.fd, key.data)

    @property
    def finished(self) -> bool:
        """Have all said `finished`?"""
        return len(self._finished) == len(self._processes)

    def _read(self, descriptor: int, number: int) -> Iterator[tuple[int, dict[str, Any]]]:
        data = os.read(descriptor, 65536)
        if not data:
            self._selector.unregister(descriptor)
            if number not in self._finished:
                raise self._death(number)
            return
        *lines, self._texts[number] = (self._texts.get(number, b"") + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["event"] == "finished":
                self._finished.add(number)
            yield number, event

    def _death(self, number: int) -> GeneratorError:
        status = self._processes[number].wait()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return GeneratorError(f"load: Locust {how} before it was done; nothing it measured counts", output=self.tail())

    def tail(self) -> str:
        """The last lines of what the workers wrote."""
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, maxlen=_TAIL))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        for process in self._processes:
            if kind is not None or not self.finished:
                process.kill()
        for process in self._processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._selector.close()
