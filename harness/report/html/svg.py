"""SVG as escaped text: elements, scales and ticks. Colours are classes, so that the page's style sheet decides them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(tag: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """One element; `class_` and `stroke_width` stand for `class` and `stroke-width`. Texts are escaped."""
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_value(value))}"' for name, value in attributes.items()
    )
    inner = Markup("").join(children)
    return Markup(f"<{tag}{words}>{inner}</{tag}>")  # noqa: S704 - all parts are escaped above


def figure(width: float, height: float, label: str, *children: Markup, class_: str) -> Markup:
    """A picture with a text alternative."""
    return element(
        "svg",
        element("title", label),
        *children,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        class_=class_,
    )


def path(points: Sequence[tuple[float, float]]) -> str:
    """The `d` of a polyline."""
    return "M" + "L".join(f"{_value(x)} {_value(y)}" for x, y in points)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Scale:
    """Values between `low` and `high` onto pixels between `start` and `stop`; logarithmic where `log` is set."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; what lies outside is held at the edge."""
        low, high, at = (
            (math.log10(each) for each in (self.low, self.high, max(value, 1e-12)))
            if self.log
            else (
                self.low,
                self.high,
                value,
            )
        )
        share = 0.0 if high == low else (at - low) / (high - low)
        return self.start + min(1.0, max(0.0, share)) * (self.stop - self.start)


def ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Round values (1, 2 or 5 times a power of ten) within the range."""
    if not low < high:
        return (low,)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """1, 2 and 5 times the powers of ten within the range; the powers alone where that would crowd."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    found = tuple(factor * 10.0**power for power in powers for factor in factors)
    return tuple(value for value in found if low * 0.999 <= value <= high * 1.001)
