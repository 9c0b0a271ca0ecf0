"""What no statistic can be made of is refused, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def checked(samples: ArrayLike, name: str) -> Floats:
    data = np.asarray(samples, dtype=np.float64)
    if data.ndim != 1 or not len(data):
        raise ValueError(f"{name}: a list of one sample or more was expected")
    if not np.isfinite(data).all():
        raise ValueError(f"{name}: a sample is not a finite number")
    return data


def check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")


def check_count(passes: int, n: int, level: float) -> None:
    if n < 1 or not 0 <= passes <= n:
        raise ValueError(f"passes of n were expected, 0 <= passes <= n and n >= 1, not {passes} of {n}")
    check_level(level)
