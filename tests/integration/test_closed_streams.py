"""A standard stream that was closed before the start: no file of ours gets its number, and no status is made up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = f"{sys.executable} -m harness status --name nobody-has-this-name"


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell, which alone can close a stream."""
    return subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [WORDS, f"{WORDS} --json"])
def test_a_closed_stream_changes_no_exit_status(closed, words, tmp_path):
    ended = run(f"{words} {closed}", tmp_path)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_usage_error_stays_one_where_nobody_reads(tmp_path):
    assert run(f"{sys.executable} -m harness nonsense >&- 2>&-", tmp_path).returncode == 2


def test_no_document_lands_in_a_file_of_ours(tmp_path):
    ended = run(f"{sys.executable} -m harness gate --url http://127.0.0.1:9 --json --out out >&- 2>&-", tmp_path)
    assert ended.returncode in (1, 4)
    for path in (tmp_path / "out").rglob("*.json"):
        json.loads(path.read_text())
    assert not [path for path in tmp_path.iterdir() if path.name != "out"]


def test_a_reader_that_is_full_is_said_with_the_status_of_a_failure(tmp_path):
    ended = run(f"{WORDS} > /dev/full", tmp_path)
    assert ended.returncode == 4
    assert "No space left" in ended.stderr
