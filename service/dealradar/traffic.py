"""What this process served: counts and latencies by route, for the performance endpoint."""

import os
import re
import time
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

SAMPLES_PER_ROUTE = 2_048
OTHER = "other"
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass
class Traffic:
    """Kept in the memory of one process; `instance` says of which. Durations in seconds until they are reported."""

    known: frozenset[str] = frozenset()
    started: float = field(default_factory=time.monotonic)
    instance: str = field(default_factory=lambda: f"{os.uname().nodename}:{os.getpid()}")
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    durations: dict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=SAMPLES_PER_ROUTE))
    )
    buckets: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0] * (len(BOUNDS) + 1)))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cache: Counter[str] = field(default_factory=Counter)

    def record(self, method: str, path: str, status: int, seconds: float, x_cache: str | None) -> None:
        """Note one answered request."""
        label = f"{method} {route_label(path)}"
        if label not in self.known:
            label = OTHER
        self.statuses[label, status] += 1
        self.durations[label].append(seconds)
        self.buckets[label][bisect_left(BOUNDS, seconds)] += 1
        self.seconds[label] += seconds
        if x_cache:
            self.cache[x_cache.lower()] += 1

    def report(self) -> list[dict[str, object]]:
        """A line for each route that was asked, the busiest first. Percentiles are over the newest samples."""
        lines: list[dict[str, object]] = []
        for label, samples in self.durations.items():
            ordered = sorted(samples)
            codes = {status: count for (name, status), count in self.statuses.items() if name == label}
            lines.append(
                {
                    "route": label,
                    "requests": sum(codes.values()),
                    "client_errors": sum(count for status, count in codes.items() if 400 <= status < 500),
                    "server_errors": sum(count for status, count in codes.items() if status >= 500),
                    "samples": len(ordered),
                    "p50_ms": _percentile_ms(ordered, 0.5),
                    "p95_ms": _percentile_ms(ordered, 0.95),
                    "p99_ms": _percentile_ms(ordered, 0.99),
                    "max_ms": _percentile_ms(ordered, 1.0),
                }
            )
        return sorted(lines, key=lambda line: -int(str(line["requests"])))


@lru_cache(maxsize=4_096)
def route_label(path: str) -> str:
    """Fold the numbers of a path, and the parameters of a template, into one name."""
    return re.sub(r"/(?:[0-9]+|\{[^}]*\})(?=/|$)", "/{id}", path)


def labels(routes: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The names that may appear in a report; everything else is counted together, so that strangers cannot fill
    memory.
    """
    return frozenset(f"{method} {route_label(path)}" for method, path in routes)


def _percentile_ms(ordered: list[float], share: float) -> float:
    index = min(len(ordered) - 1, int(share * len(ordered)))
    return round(ordered[index] * 1_000, 3)
