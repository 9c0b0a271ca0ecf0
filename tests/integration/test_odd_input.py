"""Some of the odd command lines and TOML files that `python -m tests.fuzz_commands` tries by hundreds."""

from __future__ import annotations

import os

import pytest

from tests.fuzz_commands import run_documents, run_lines

SEED = int(os.environ.get("FUZZ_SEED", "1"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(2))
def test_every_odd_command_line_ends_as_documented(part):
    assert run_lines(20, SEED + part) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(2))
def test_every_odd_file_ends_as_documented(part):
    assert run_documents(20, SEED + part) == []
