"""Release-readiness harness: evidence in, a ruling out."""

__version__ = "0.1.0"
