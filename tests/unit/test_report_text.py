"""Strings and numbers on their way to a reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.text import amount, cell, clock, number, one_line, plain, plural, seconds, signs


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("nul\x00byte", "nul\ufffdbyte"),
        ("\x9b31m", "\ufffd31m"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u200eleft \u200fright \u061cmark", "\\u200eleft \\u200fright \\u061cmark"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("größer ≥ 1 😀", "größer ≥ 1 😀"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_text(given_text, shown):
    assert plain(given_text) == shown


def test_a_cut_says_how_much_is_missing():
    assert plain("x" * 5_000, 100) == "x" * 100 + "… (4,900 characters more)"
    assert plain("x" * 100, 100) == "x" * 100


@given(st.text(alphabet=st.characters()), st.integers(1, 50))
def test_any_text_can_be_written_as_xml_and_utf8(text, limit):
    for shown in (plain(text), one_line(text), plain(text, limit), cell(text)):
        shown.encode("utf-8")
        assert not any(ord(char) < 32 and char not in "\t\n\r" for char in shown)
    assert "\n" not in one_line(text)


@given(st.text())
def test_a_table_cell_holds_no_live_markup(text):
    shown = cell(text)
    for mark in "|`*_<>[]~#":
        bare = shown.replace("\\\\", "").replace(f"\\{mark}", "")
        assert mark not in bare


def test_a_table_cell_pings_nobody_and_links_nowhere():
    assert "@everyone" not in cell("@everyone")
    assert "https://" not in cell("see https://evil.example")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.1 + 0.2, "0.3"),
        (1200, "1\u202f200"),
        (12345.6, "12\u202f346"),
        (0.00012, "0.00012"),
        (3.14159, "3.14"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_read_as_people_write_them(value, shown):
    assert number(value) == shown


def test_units_stand_beside_their_numbers():
    assert amount(3 * 2**20, "bytes") == "3 MiB"
    assert amount(19, "count") == "19"
    assert amount(1.5, "ms") == "1.5 ms"
    assert [seconds(each) for each in (0.34, 8.24, 84, 7500)] == ["340 ms", "8.2 s", "1 min 24 s", "2 h 5 min"]
    assert clock("2026-01-31T09:30:00.123456Z") == "2026-01-31 09:30:00 UTC"
    assert plural(1, "test") == "1 test"
    assert plural(2, "criterion", "criteria") == "2 criteria"
    assert signs("p99 <= 300 ms") == "p99 ≤ 300 ms"
