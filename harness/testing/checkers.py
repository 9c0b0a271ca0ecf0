"""Pure functions of a history: rows and the contract in, anomalies out (docs/checkers.md)."""

from harness.checkers import *  # noqa: F403 - the same face
from harness.checkers import __all__  # noqa: F401 - and no more
