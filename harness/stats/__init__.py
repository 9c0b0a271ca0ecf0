"""Intervals, comparisons and noise floors (docs/honest-numbers.md). Times are in whatever unit the samples have;
ratios have none.

scipy is not needed: importing it costs more than a quick command may take.
"""

from harness.stats.comparison import (
    FEWEST_BLOCKS,
    Comparison,
    RatioEstimate,
    classify,
    holm_levels,
    minimum_detectable_effect,
    noise_floor,
    ratio_of_medians,
)
from harness.stats.intervals import clopper_pearson, clopper_pearson_lower, quantile_interval

__all__ = [
    "FEWEST_BLOCKS",
    "Comparison",
    "RatioEstimate",
    "classify",
    "clopper_pearson",
    "clopper_pearson_lower",
    "holm_levels",
    "minimum_detectable_effect",
    "noise_floor",
    "quantile_interval",
    "ratio_of_medians",
]
