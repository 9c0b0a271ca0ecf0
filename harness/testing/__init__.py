"""What suites and fixtures import: nothing deeper in the harness is promised to stay where it is.

Here is what nearly every suite needs. `probes`, `stats`, `load`, `checkers`, `faults` and `stacks` beside it hold the
rest by subject, so that a suite loads only what it uses. `docs/suites.md` lists every name.
"""

from harness.errors import HarnessError
from harness.machine.archives import clean_archive
from harness.machine.extras import lacking
from harness.machine.redaction import Redactor
from harness.model import Observation, Outcome, StackInfo, Target
from harness.model.network import is_loopback
from harness.probes.exchange import Exchange, SentRequest, UnfitAnswer
from harness.probes.http import NotAsked, Permit, RecordingClient, ServiceUnavailable
from harness.pytest_plugin import count_browser_assertions
from harness.pytest_plugin.fixtures import Measure
from harness.pytest_plugin.markers import CheckMark, RigMark, check_mark, suite_of
from harness.pytest_plugin.polling import eventually
from harness.pytest_plugin.requests import RequestRules
from harness.pytest_plugin.sentences import Complaint, cause_of
from harness.pytest_plugin.stash import (
    Context,
    Instrument,
    ItemNotes,
    context_of,
    notes_of,
    redactor_of,
    share_instrument,
)
from harness.stack.ground import silent_part

__all__ = [
    "CheckMark",
    "Complaint",
    "Context",
    "Exchange",
    "HarnessError",
    "Instrument",
    "ItemNotes",
    "Measure",
    "NotAsked",
    "Observation",
    "Outcome",
    "Permit",
    "RecordingClient",
    "Redactor",
    "RequestRules",
    "RigMark",
    "SentRequest",
    "ServiceUnavailable",
    "StackInfo",
    "Target",
    "UnfitAnswer",
    "cause_of",
    "check_mark",
    "clean_archive",
    "context_of",
    "count_browser_assertions",
    "eventually",
    "is_loopback",
    "lacking",
    "notes_of",
    "redactor_of",
    "share_instrument",
    "silent_part",
    "suite_of",
]
