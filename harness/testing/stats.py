"""Intervals and comparisons for what a suite measures."""

from harness.stats import (
    RatioEstimate,
    clopper_pearson,
    clopper_pearson_lower,
    minimum_detectable_effect,
    noise_floor,
    quantile_interval,
    ratio_of_medians,
)

__all__ = [
    "RatioEstimate",
    "clopper_pearson",
    "clopper_pearson_lower",
    "minimum_detectable_effect",
    "noise_floor",
    "quantile_interval",
    "ratio_of_medians",
]
