"""Release-readiness harness: evidence in, a ruling out."""

from harness.moved import find_moved_modules

__version__ = "0.1.0"

find_moved_modules()
