"""Backups of a stack's database: taken, verified, restored into a fresh server, and compared with what they were of.

A backup that was never restored is no backup. What `take_backup` makes, `find_flaws` looks at without starting
anything; `restore` and `restored` bring it up alone, in a folder of its own.
"""

from harness.backup.facts import DatabaseFacts, Difference, compare, read_facts
from harness.backup.manifest import Backup, Manifest, Method, Restoration, open_backup
from harness.backup.restoration import (
    RestoredServer,
    UnrestorableError,
    check_restored,
    find_differences,
    restore,
    restored,
)
from harness.backup.source import Source, find_programs, read_server, source_of
from harness.backup.take import advance_backup, take_backup
from harness.backup.verify import Expected, Flaw, find_flaws
from harness.backup.writes import Acknowledged, Writes, remove_rows, writing

__all__ = [
    "Acknowledged",
    "Backup",
    "DatabaseFacts",
    "Difference",
    "Expected",
    "Flaw",
    "Manifest",
    "Method",
    "Restoration",
    "RestoredServer",
    "Source",
    "UnrestorableError",
    "Writes",
    "advance_backup",
    "check_restored",
    "compare",
    "find_differences",
    "find_flaws",
    "find_programs",
    "open_backup",
    "read_facts",
    "read_server",
    "remove_rows",
    "restore",
    "restored",
    "source_of",
    "take_backup",
    "writing",
]
