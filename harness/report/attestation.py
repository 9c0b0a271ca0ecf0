"""`attestation.json`: the verdict as an in-toto Statement v1 with the predicate test-result v0.1.

Statement: in-toto Attestation Framework, spec/v1; predicate: https://in-toto.io/attestation/test-result/v0.1. Its
`passedTests`, `warnedTests` and `failedTests` are criteria. What is not proven is never under `passedTests`: a waived
criterion is a warning, everything else that a run did not prove has failed (an optional criterion too, so a verifier
that demands an empty `failedTests` is stricter than the policy). Unsigned, it proves nothing about who wrote it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from harness.model import Build, Decision, Status, Verdict
from harness.report.sources import RunFiles
from harness.run import write_document

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"


def write_attestation(run: RunFiles) -> Path | None:
    """Write the run's `attestation.json`; returns its path, or None where there is no verdict to attest."""
    path = run.path / "attestation.json"
    if run.verdict is None:
        path.unlink(missing_ok=True)
        return None
    write_document(path, statement(run, run.verdict))
    return path


def statement(run: RunFiles, verdict: Verdict) -> dict[str, Any]:
    """The statement as a document."""
    names = {status: [each.id for each in verdict.criteria if each.status is status] for status in Status}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": verdict.target, "digest": _digest(verdict)}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "result": _result(verdict, waived=bool(names[Status.WAIVED])),
            "configuration": [
                {"name": name, "digest": {"sha256": digest}}
                for name in ("policy.json", "profile.json", "waivers.json")
                if (digest := run.digest(name))
            ],
            "passedTests": names[Status.PASS],
            "warnedTests": names[Status.WAIVED],
            "failedTests": names[Status.FAIL] + names[Status.INCONCLUSIVE] + names[Status.NOT_RUN],
            "verdict": verdict.verdict.value,
            "run": verdict.run,
            "evidence": {"name": "evidence.jsonl", "digest": {"sha256": verdict.evidence_sha256}},
            "build": {"kind": verdict.build.kind, "id": verdict.build.id, "dirty": verdict.build.dirty},
        },
    }


def _result(verdict: Verdict, *, waived: bool) -> str:
    if verdict.verdict is not Decision.GO:
        return "FAILED"
    return "WARNED" if waived else "PASSED"


def _digest(verdict: Verdict) -> dict[str, str]:
    """What was judged. A dirty tree is not its commit: like a build without a digest it is named by a hash."""
    build = verdict.build
    if build.kind == "commit" and not build.dirty and _is_hex(build.id, {40, 64}):
        return {"gitCommit": build.id}
    algorithm, _, digest = build.id.rpartition(":")
    if build.kind == "image" and algorithm.endswith("sha256") and _is_hex(digest, {64}):
        return {"sha256": digest}
    return {"sha256": _named(build)}


def _named(build: Build) -> str:
    words = f"{build.kind} {build.id}{' dirty' if build.dirty else ''}"
    return hashlib.sha256(words.encode()).hexdigest()


def _is_hex(text: str, lengths: set[int]) -> bool:
    return len(text) in lengths and all(char in "0123456789abcdef" for char in text)
