"""What a test prints or says without end: it is cut, with a word of it, wherever somebody would have to open it."""

from __future__ import annotations

import pytest

from harness.machine.foreign_text import MOST_KEPT
from tests.suite_session import Bench

_SUITE = """
import logging
import sys

import pytest

MANY = "line of a hundred characters, more or less, as many a service prints it".ljust(99, ".") + "\\n"


@pytest.mark.parametrize("stream", [sys.stdout, sys.stderr], ids=["out", "err"])
def test_prints(stream):
    print("first words", MANY * 30_000, "last words", file=stream)
    assert stream is None, "it is there"


def test_logs():
    logging.getLogger("x").warning(MANY * 30_000)
    assert 1 == 2, "one is not two"


def test_says():
    assert 1 == 2, "first words" + MANY * 30_000


def test_crashes():
    raise RuntimeError(MANY * 30_000)


def test_skips():
    pytest.skip(MANY * 30_000)


def test_attaches(tmp_path):
    import allure

    (tmp_path / "text").write_text(MANY * 30_000)
    allure.attach.file(str(tmp_path / "text"))
    allure.attach(bytes(range(128, 256)) * 30_000, name="picture")
    assert 1 == 2, "one is not two"
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_no_file_grows_with_what_a_test_prints(tmp_path, workers):
    bench = Bench(tmp_path)
    bench.suite(_SUITE)
    ended = bench.run_as("in the gate", workers, "--alluredir", str(tmp_path / "allure"))
    assert [line["outcome"] for line in ended.lines].count("fail") == 5
    assert len(ended.out) < 20 * MOST_KEPT
    assert ended.out.count("… cut here:") >= 5
    for words in ("first words", "last words"):
        assert words in ended.out
    for file in [*ended.files(), *(tmp_path / "allure").iterdir()]:
        assert file.stat().st_size < 5 * MOST_KEPT, file
