"""Raw samples: one row an arrival, kept as columns, so that every figure can be made again from the file.

Times are seconds after the run's start on the machine's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray


class Failure(IntEnum):
    """Why an arrival has no answer; stands in the column `status`, where an answer has its HTTP status."""

    DROPPED = 0
    """Never sent: too many requests were waiting for answers."""
    TIMEOUT = -1
    REFUSED = -2
    CUT = -3
    """The connection ended before the answer did."""
    PROTOCOL = -4
    """What came back is not HTTP."""
    UNREACHABLE = -5
    GENERATOR = -6
    """The generator's own fault: no file descriptor, port or source address was left."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Columns of equal length, in order of `due`."""

    due: NDArray[np.float64]
    sent: NDArray[np.float64]
    """When the request was sent; NaN where it was not."""
    done: NDArray[np.float64]
    """When the answer was complete, or the failure known."""
    request: NDArray[np.uint16]
    client: NDArray[np.uint32]
    stage: NDArray[np.uint16]
    status: NDArray[np.int16]
    size: NDArray[np.uint32]
    """Bytes received."""

    def __len__(self) -> int:
        return len(self.due)

    @property
    def latency_ms(self) -> NDArray[np.float64]:
        """From the moment a request was due: what a client who came then had to wait."""
        return (self.done - self.due) * 1000.0

    @property
    def service_ms(self) -> NDArray[np.float64]:
        """From the moment a request was sent."""
        return (self.done - self.sent) * 1000.0

    @property
    def lateness_ms(self) -> NDArray[np.float64]:
        """The generator's own delay: sent minus due."""
        return (self.sent - self.due) * 1000.0

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Arrivals without a good answer: none at all, or a status of 400 and above."""
        rows: NDArray[np.bool_] = (self.status < 100) | (self.status >= 400)
        return rows

    @property
    def timed(self) -> NDArray[np.bool_]:
        """Arrivals whose latency counts: good answers, and time-outs with the time waited (a lower bound).

        An error that came back quickly is no quick answer, and is left out; it counts as an error.
        """
        rows: NDArray[np.bool_] = ~self.failed | (self.status == Failure.TIMEOUT)
        return rows

    def where(self, rows: NDArray[np.bool_]) -> Samples:
        """The rows that are true."""
        return Samples(*(getattr(self, column.name)[rows] for column in fields(self)))

    def save(self, path: Path) -> None:
        """Write a compressed `.npz`."""
        with path.open("wb") as file:
            np.savez_compressed(file, **{column.name: getattr(self, column.name) for column in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises `OSError`, `KeyError` or `ValueError` for any other file."""
        with np.load(path, allow_pickle=False) as columns:
            return cls(*(columns[column.name] for column in fields(cls)))

    @classmethod
    def join(cls, parts: list[Self]) -> Self:
        """Several workers' samples as one, in order of `due`."""
        joined = cls(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)))
        order = np.argsort(joined.due, kind="stable")
        return cls(*(getattr(joined, column.name)[order] for column in fields(cls)))


def failure_kind(status: int) -> str:
    """The word for a failure: `status 503`, `shed` for an unasked 429, `timeout`, `refused`, …"""
    if status == 429:
        return "shed"
    return f"status {status}" if status >= 100 else Failure(status).name.lower()
