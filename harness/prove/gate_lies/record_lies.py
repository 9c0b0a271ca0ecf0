"""Lies on disk: a run whose files are not what was observed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.model import Build, Outcome
from harness.prove.gate_lies.scene import Lie
from harness.prove.gate_lies.small_gate import POLICY
from harness.prove.gate_lies.small_run import CLEAN, HEALTHY, failed, judged, make_run, passed, seen
from harness.run import read_document, seal, write_document

CLEAN_POLICY = POLICY.replace("[[", "clean_build = true\n[[")
WITH_MAIL = (
    POLICY
    + """needs = "mail"
[[criterion]]
id = "other"
area = "e2e"
select = { check = "other.*" }
"""
)
TWO_PASSED = judged(passed(subject="/item"), passed())
FIRST = seen(Outcome.FAIL, "own.answers", "/item", attempt=1, superseded=True)


def _counted_again(run: Path) -> None:
    """Count and digest as they are now: what is caught must be caught by more than these."""
    data = (run / "evidence.jsonl").read_bytes()
    _edit(run, evidence={"count": data.count(b"\n"), "sha256": hashlib.sha256(data).hexdigest()})


def _edit(run: Path, **members: Any) -> None:  # noqa: ANN401 - members of a JSON document
    write_document(run / "run.json", read_document(run / "run.json") | members)


def _rewritten(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        file = run / "evidence.jsonl"
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))
        _counted_again(run)

    return spoil


def _torn(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1][: len(lines[1]) // 2] + b"\n", *lines[2:]]


def _without_the_failure(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if b'"outcome":"fail"' not in line]


def _failure_made_a_pass(run: Path) -> None:
    file = run / "evidence.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"outcome":"fail"', b'"outcome":"pass"'))


def _of_another_run(run: Path) -> None:
    other = make_run(run.parent.parent.parent / "other", [passed(), passed(subject="/item")])
    shutil.copy(other / "evidence.jsonl", run / "evidence.jsonl")
    _counted_again(run)


def _of_another_target(run: Path) -> None:
    other = make_run(run.parent.parent.parent / "other", [], target="shop")
    shutil.copy(other / "profile.json", run / "profile.json")


def _verdict_by_hand(run: Path) -> None:
    verdict = b'{"schema": 1, "verdict": "GO", "score": 100.0, "criteria": []}\n'
    (run / "verdict.json").write_bytes(verdict)
    seal(run)


LIES: Mapping[str, Lie] = {
    "evidence-of-another-run": Lie(told=judged(failed(), spoil=_of_another_run), honest=HEALTHY),
    "evidence-of-another-target": Lie(told=judged(passed(), spoil=_of_another_target), honest=HEALTHY),
    "line-torn-in-the-middle": Lie(told=judged(failed(), passed(), spoil=_rewritten(_torn)), honest=TWO_PASSED),
    "line-taken-out": Lie(told=judged(failed(), passed(), spoil=_rewritten(_without_the_failure)), honest=TWO_PASSED),
    "line-changed": Lie(told=judged(failed(), passed(), spoil=_failure_made_a_pass), honest=TWO_PASSED),
    "verdict-by-hand": Lie(told=judged(failed(), passed(), spoil=_verdict_by_hand), honest=TWO_PASSED),
    "absence-by-hand": Lie(
        told=judged(
            passed("other.answers"), policy=WITH_MAIL, spoil=lambda run: _edit(run, absent={"mail": "sends none"})
        ),
        honest=judged(passed(), passed("other.answers"), policy=WITH_MAIL),
    ),
    "repetition-that-left-no-line": Lie(told=judged(FIRST, passed()), honest=HEALTHY),
    "test-that-left-no-line": Lie(
        told=judged(passed(), collected=("own/test_own.py::test_item",)),
        honest=judged(
            seen(Outcome.PASS, "own.answers", "/item"), collected=("own/test_own.py::test[own.answers-/item]",)
        ),
    ),
    "build-with-changes": Lie(
        told=judged(passed(), policy=CLEAN_POLICY, build=Build(kind="commit", id=CLEAN.id, dirty=True)),
        honest=judged(passed(), policy=CLEAN_POLICY),
    ),
}
