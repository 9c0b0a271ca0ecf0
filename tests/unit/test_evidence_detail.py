"""What a line's `detail` says, by its type: the only place that reads its keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.model import Outcome, last_attempt, worst
from tests.judging import attempt, line, measured
from tests.pages import read, rows, section

_KEY_READ = re.compile(r"""\bdetail(?:\.get\(|\[)["'][a-z_]+["'](?!\]\s*=)""")
_OWN_KEYS = {Path("prove/report/write.py")}
"""Where `detail` is a document that the module itself is about to write."""


def test_no_other_module_reads_a_key_of_a_detail():
    root = Path(harness.__file__).parent
    readers = {
        path.relative_to(root)
        for path in root.rglob("*.py")
        if path.parent.name != "model" and _KEY_READ.search(path.read_text(encoding="utf-8"))
    }
    assert readers <= _OWN_KEYS


def test_the_page_of_the_run_folder_names_every_key_that_is_read():
    source = Path(harness.__file__).parent / "model" / "evidence.py"
    keys = re.findall(r"(?:detail\.get|_words|_lines)\(.(\w+)[\"']", source.read_text(encoding="utf-8"))
    table = rows(section(read("docs/run-folder.md"), "## A line of `evidence.jsonl`"), columns=2)
    named = [name for cells in table for name in re.findall(r"`(\w+)`", cells[0])]
    assert sorted(named) == sorted(set(keys))


@pytest.mark.parametrize(
    ("outcome", "detail", "says"),
    [
        ("fail", {"message": "got 500", "reason": "its teardown failed"}, "got 500"),
        ("fail", {"message": "  ", "reason": "the process died"}, "the process died"),
        ("skip", {"message": "seen", "reason": "it has no mail"}, "it has no mail"),
        ("skip", {"message": "seen"}, "seen"),
        ("error", {}, ""),
    ],
)
def test_a_line_says_what_was_seen_and_a_skip_why_nothing_was(outcome, detail, says):
    assert line(outcome, detail=detail).says == says


@pytest.mark.parametrize("interval", [None, [1], [2, 1], [1, "2"], [True, 2], [1, float("inf")], {"low": 1}])
def test_what_is_no_interval_is_none(interval):
    assert measured(1, interval).interval is None


def test_both_shapes_of_an_interval_are_read():
    assert measured(1, [1, 2]).interval == measured(1, (1.0, 2.0)).interval == (1.0, 2.0)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, ()),
        ("", ()),
        ("a", ("a",)),
        (["a", 7, {"b": None}], ("a", "7", '{"b":null}')),
        ({"status": 500, "body": "x"}, ("status: 500", "body: x")),
        (1.5, ("1.5",)),
    ],
)
def test_what_was_observed_reads_as_lines_of_text_whatever_its_shape(written, read):
    assert line(detail={"observed": written}).observed == read


def test_a_value_of_another_type_counts_as_unsaid():
    odd = line(detail={"seconds": "soon", "attempt": True, "statistic": 99, "superseded": 1, "counts": None})
    assert (odd.seconds, odd.attempt, odd.statistic, odd.superseded, odd.counts) == (None, None, None, False, True)


def test_of_attempts_at_one_thing_the_lines_of_the_last_count_and_the_worst_of_them_decides():
    first = attempt(1, "fail", superseded=True)
    passed, torn_down = attempt(2, "pass"), attempt(2, "error")
    assert len({one.attempt_of for one in (first, passed, torn_down)}) == 1
    assert last_attempt([first, passed, torn_down]) == [passed, torn_down]
    assert worst([passed, torn_down]).outcome is Outcome.ERROR


def test_a_line_without_a_test_is_an_attempt_at_nothing_else():
    assert line(detail={"attempt": 1}).attempt_of == (0,)
