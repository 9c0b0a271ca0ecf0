"""A run on disk: its folder, its evidence, its seal."""

from harness.run.documents import read_document, write_document
from harness.run.evidence import EvidenceLog, Reading, read_evidence, utc_now
from harness.run.files import is_regular, make_folder, read_regular, replace_file
from harness.run.folder import Run, create_run, find_run, open_run, read_run_record, stack_facts
from harness.run.record import load_record
from harness.run.seal import changed_files, is_sealed, seal

__all__ = [
    "EvidenceLog",
    "Reading",
    "Run",
    "changed_files",
    "create_run",
    "find_run",
    "is_regular",
    "is_sealed",
    "load_record",
    "make_folder",
    "open_run",
    "read_document",
    "read_evidence",
    "read_regular",
    "read_run_record",
    "replace_file",
    "seal",
    "stack_facts",
    "utc_now",
    "write_document",
]
