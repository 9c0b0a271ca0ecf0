"""Runs that an earlier version wrote and judged are judged the same today, byte for byte, and can still be shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.config import policy_from_document, waivers_from_document
from harness.judge import judge, verdict_document
from harness.report import write_reports
from harness.run import load_record, read_document

KEPT = Path(__file__).parents[1] / "data" / "judged"
RUNS = sorted(path.name for path in KEPT.iterdir())


@pytest.mark.parametrize("name", RUNS)
def test_kept_evidence_gives_the_same_verdict(name):
    run = KEPT / name
    policy = policy_from_document(read_document(run / "policy.json"))
    waivers = waivers_from_document(read_document(run / "waivers.json"))
    verdict = judge(policy, waivers, load_record(run))
    assert verdict_document(verdict) == (run / "verdict.json").read_bytes()


@pytest.mark.parametrize("name", RUNS)
def test_a_kept_run_is_still_reported(name, tmp_path):
    run = shutil.copytree(KEPT / name, tmp_path / name)
    write_reports(run)
    assert (run / "report" / "index.html").is_file()
