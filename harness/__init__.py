"""Release-readiness harness: evidence in, a ruling out."""

from harness.moved import find_former_names

__version__ = "0.1.0"

find_former_names()
