"""How much of a text is kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.machine.foreign_text import kept, kept_data
from harness.machine.redaction import Redactor
from harness.runner.artifacts import redact_results


@given(st.text(max_size=400), st.integers(min_value=2, max_value=300))
def test_a_text_is_whole_or_has_both_ends_and_a_word_of_the_rest(text, most):
    said = kept(text, most)
    if len(text) <= most:
        assert said == text
    else:
        assert said.startswith(text[: most // 2] + "\n… cut here: ")
        assert said.endswith(" are left out …\n" + text[-(most // 2) :])
        assert len(said) < most + 80


def test_the_word_says_how_much_is_left_out():
    assert "… cut here: 1,990 of 2,000 characters are left out …" in kept("x" * 2000, 10)


def test_of_nested_data_each_text_is_kept():
    short = {"a": ["b", {"c": "d"}, 1, None, True]}
    assert kept_data(short) == short
    assert len(kept_data({"a": ["x" * 100_000]})["a"][0]) < 70_000


def test_the_output_of_pytest_is_bounded_and_a_services_log_is_not(tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("pytest-tests.log", "service.log"):
        (tmp_path / "logs" / name).write_text("begun\n" + "x" * 5_000_000 + "\nended")
    redact_results(tmp_path, Redactor())
    pytests = (tmp_path / "logs" / "pytest-tests.log").read_text()
    assert len(pytests) < 4_100_000
    assert pytests.startswith("begun")
    assert pytests.endswith("ended")
    assert "… cut here:" in pytests
    assert (tmp_path / "logs" / "service.log").stat().st_size > 5_000_000
