"""The beta distribution, and what follows from it: Student's t and the binomial."""

from __future__ import annotations

import math


def student_quantile(p: float, freedom: int) -> float:
    """Quantile of Student's t for p > 1/2: t² / (freedom + t²) has a beta distribution (Abramowitz & Stegun 26.7.1)."""
    share = beta_quantile(2 * p - 1, 0.5, freedom / 2)
    return math.sqrt(freedom * share / (1 - share))


def binomial_below(rank: int, n: int, q: float) -> float:
    """P(B < rank) for B ~ Binomial(n, q) (Abramowitz & Stegun 26.5.24)."""
    return 1 - beta_share(q, rank, n - rank + 1)


def beta_quantile(p: float, a: float, b: float) -> float:
    """Where the beta distribution reaches p: bisection, to the last bit that matters."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beta_share(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function by its continued fraction (Abramowitz & Stegun 26.5.8; Lentz 1976)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_share_left(1 - x, b, a)
    return _beta_share_left(x, a, b)


def _beta_share_left(x: float, a: float, b: float) -> float:
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    c, d, value = 1.0, 0.0, 1.0
    step = 0
    while True:
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        d = 1 + term * d
        d = 1 / (d if abs(d) > tiny else tiny)
        c = 1 + term / c
        c = c if abs(c) > tiny else tiny
        value *= c * d
        step += 1
        if abs(1 - c * d) < 1e-14 or step > 100_000:
            return front * (value - 1)
