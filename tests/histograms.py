"""Reads a histogram of load as whoever merges several does (docs/load.md)."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from harness.load.result import ALL


def histogram_quantile(document: dict[str, Any], q: float, name: str = ALL) -> float | None:
    """A quantile in milliseconds out of a histogram, of one endpoint or of all; None of an empty one."""
    chosen = document["endpoints"].values() if name == ALL else [document["endpoints"][name]]
    counts: Counter[int] = Counter()
    for buckets in chosen:
        counts.update({int(bucket): count for bucket, count in buckets.items()})
    total = sum(counts.values())
    if not total:
        return None
    rank, passed, gamma = max(1, math.ceil(q * total)), 0, float(document["gamma"])
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed >= rank:
            return float(2 * gamma**bucket / (gamma + 1))
    raise AssertionError("the ranks of a histogram end with its total")
