"""The load profiles as tables of stages, and durations as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from harness.errors import UsageError
from harness.load.plan import Stage

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_MAX_SECONDS = 7 * 24 * 3600.0

_LEAST_STEP_S = 2.0
_CAPACITY_STEPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)


def parse_duration(text: str) -> float:
    """Seconds of `30s`, `1m30s`, `500ms` or a bare number of seconds. Raises `UsageError` naming the text."""
    text = text.strip()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
    if not 0 < seconds <= _MAX_SECONDS:
        raise UsageError(f"duration {text!r}: 30s, 1m30s or a number of seconds was expected, above 0, at most 7 days")
    return seconds


def _smoke(rate: float, seconds: float) -> tuple[Stage, ...]:
    return (Stage(rate=rate, seconds=seconds, name="smoke"),)


def _steady(rate: float, seconds: float) -> tuple[Stage, ...]:
    warm_up = min(5.0, seconds * 0.1)
    return (
        Stage(rate=rate, seconds=warm_up, name="warm-up", warm_up=True),
        Stage(rate=rate, seconds=seconds - warm_up, name="steady"),
    )


def _spike(rate: float, seconds: float) -> tuple[Stage, ...]:
    return (
        Stage(rate=rate, seconds=seconds * 0.3, name="before"),
        Stage(rate=rate * 5, seconds=seconds * 0.2, name="spike"),
        Stage(rate=rate, seconds=seconds * 0.5, name="after"),
    )


def _stress(rate: float, seconds: float) -> tuple[Stage, ...]:
    return (
        Stage(rate=rate, until=rate * 4, seconds=seconds * 0.5, name="ramp"),
        Stage(rate=rate * 4, seconds=seconds * 0.3, name="hold"),
        Stage(rate=rate, seconds=seconds * 0.2, name="recover"),
    )


def _soak(rate: float, seconds: float) -> tuple[Stage, ...]:
    warm_up = min(30.0, seconds * 0.05)
    return (
        Stage(rate=rate, seconds=warm_up, name="warm-up", warm_up=True),
        Stage(rate=rate, seconds=seconds - warm_up, name="soak"),
    )


def _capacity(rate: float, seconds: float) -> tuple[Stage, ...]:
    step = seconds / len(_CAPACITY_STEPS)
    if step < _LEAST_STEP_S:
        least = _LEAST_STEP_S * len(_CAPACITY_STEPS)
        raise UsageError(
            f"capacity: {seconds:g} s is too short for {len(_CAPACITY_STEPS)} steps; {least:g} s is the least"
        )
    return tuple(Stage(rate=rate * factor, seconds=step, name=f"{rate * factor:g}/s") for factor in _CAPACITY_STEPS)


_PROFILES: dict[str, tuple[Callable[[float, float], tuple[Stage, ...]], float, float]] = {
    # profile: (stages, its rate as a share of the target's, its seconds)
    "smoke": (_smoke, 0.1, 5.0),
    "steady": (_steady, 1.0, 30.0),
    "spike": (_spike, 1.0, 30.0),
    "stress": (_stress, 1.0, 60.0),
    "soak": (_soak, 1.0, 1800.0),
    "capacity": (_capacity, 1.0, 60.0),
}

PROFILES = tuple(_PROFILES)


def profile_stages(
    profile: str, target_rate: float, *, rate: float | None = None, seconds: float | None = None
) -> tuple[Stage, ...]:
    """The stages of a profile around the target's rate, or around `rate`, for its own length or `seconds`.

    smoke: a tenth of the rate. steady: the rate, after a warm-up. spike: five times the rate for a fifth of the time.
    stress: a ramp to four times, held, then back. soak: the rate for half an hour. capacity: rising steps from half the
    rate to 32 times, ended at the first that is not sustained. Raises `UsageError` for another name.
    """
    if profile not in _PROFILES:
        raise UsageError(f"load profile {profile!r}: one of {', '.join(PROFILES)} was expected")
    build, share, usual = _PROFILES[profile]
    return build(target_rate * share if rate is None else rate, usual if seconds is None else seconds)
