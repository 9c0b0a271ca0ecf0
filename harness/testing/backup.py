"""Backups of the target's database: taken, verified, restored into a fresh server, compared."""

from harness.backup import (
    Acknowledged,
    Backup,
    Difference,
    Expected,
    Flaw,
    Restoration,
    UnrestorableError,
    check_restored,
    find_flaws,
    find_programs,
    restored,
    source_of,
    take_backup,
    writing,
)

__all__ = [
    "Acknowledged",
    "Backup",
    "Difference",
    "Expected",
    "Flaw",
    "Restoration",
    "UnrestorableError",
    "check_restored",
    "find_flaws",
    "find_programs",
    "restored",
    "source_of",
    "take_backup",
    "writing",
]
