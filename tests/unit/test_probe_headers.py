"""Header values as browsers and RFCs read them: what is right, what is wrong, and near misses of both."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.headers import (
    names_in,
    parse_cache_control,
    parse_date,
    parse_hsts,
    parse_media_type,
    parse_retry_after,
    spares_private_answers,
    split_list,
    whole_seconds,
)


@pytest.mark.parametrize(
    ("value", "max_age", "subdomains", "preload"),
    [
        ("max-age=31536000", 31536000, False, False),
        ("max-age=31536000; includeSubDomains; preload", 31536000, True, True),
        ('MAX-AGE="0" ; INCLUDESUBDOMAINS', 0, True, False),
        (" includeSubDomains;max-age = 5;", 5, True, False),
        ("max-age=5; unknown=7", 5, False, False),
        ('max-age=5; report-uri="https://a.example/;b"', 5, False, False),
    ],
)
def test_hsts(value: str, max_age: int, *, subdomains: bool, preload: bool) -> None:
    seen = parse_hsts([value])
    assert seen is not None
    assert (seen.max_age, seen.include_subdomains, seen.preload) == (max_age, subdomains, preload)
    assert seen.problems == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "max-age is missing"),
        ("includeSubDomains", "max-age is missing"),
        ("max-age=-1", "max-age is missing or no number"),
        ("max-age=1; max-age=2", "twice"),
        ("max-age 31536000", "no directive"),
        ("max-age=31536000, includeSubDomains", "no directive"),
    ],
)
def test_hsts_that_a_browser_ignores(value: str, says: str) -> None:
    seen = parse_hsts([value])
    assert seen is not None
    assert seen.max_age is None
    assert says in " ".join(seen.problems)


def test_hsts_absent_and_doubled() -> None:
    assert parse_hsts([]) is None
    doubled = parse_hsts(["max-age=1", "max-age=2"])
    assert doubled is not None
    assert doubled.max_age == 1
    assert "more than one" in doubled.problems[0]


def test_cache_control() -> None:
    seen = parse_cache_control(['private, Max-Age=0, no-cache="set-cookie, x"', "max-age=60, no-store"])
    assert seen == {"private": None, "max-age": "0", "no-cache": "set-cookie, x", "no-store": None}


@pytest.mark.parametrize(
    ("value", "spares"),
    [
        ("", False),
        ("no-store", True),
        ("private, max-age=60", True),
        ("no-cache", True),
        ("public, no-cache", True),
        ("public, max-age=0, must-revalidate", True),
        ("max-age=0, proxy-revalidate", True),
        ("s-maxage=0", True),
        ("public, max-age=0", False),  # may be served stale
        ("public, max-age=600", False),
        ("public, max-age=600, must-revalidate", False),
        ("max-age=0, must-revalidate, s-maxage=60", False),
        ("max-age=0x, must-revalidate", False),
        ('private="set-cookie", max-age=60', False),  # of that field alone
        ('no-cache="set-cookie", max-age=60', False),
        ('private="set-cookie", no-store', True),
    ],
)
def test_what_a_shared_cache_serves_to_others(value: str, *, spares: bool) -> None:
    assert spares_private_answers(parse_cache_control([value])) is spares


@pytest.mark.parametrize("digits", ["9" * 5000, "0" * 5000 + "9" * 12])
def test_numbers_of_any_length_are_read(digits: str) -> None:
    assert whole_seconds(digits) == 2**31
    assert whole_seconds("0" * 5000 + "7") == 7
    assert [whole_seconds(text) for text in ("", "-1", "1.5", "٣", None)] == [None] * 5
    hsts = parse_hsts([f"max-age={digits}"])
    assert hsts is not None
    assert hsts.max_age == 2**31
    assert parse_retry_after(digits) == 2**31


@pytest.mark.parametrize(
    ("value", "essence", "json", "html"),
    [
        ("application/json", "application/json", True, False),
        ("Application/Problem+JSON; charset=utf-8", "application/problem+json", True, False),
        ('text/html;charset="utf-8"', "text/html", False, True),
    ],
)
def test_media_types(value: str, essence: str, *, json: bool, html: bool) -> None:
    seen = parse_media_type(value)
    assert seen is not None
    assert (seen.essence, seen.is_json, seen.is_html) == (essence, json, html)
    assert seen.parameters.get("charset", "utf-8") == "utf-8"


@pytest.mark.parametrize("value", [None, "", "json", "text/", "text/html; charset", "text/html, text/plain"])
def test_what_is_no_media_type(value: str | None) -> None:
    assert parse_media_type(value) is None


def test_retry_after() -> None:
    now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert parse_retry_after("17") == 17
    assert parse_retry_after("Sat, 31 Jan 2026 09:30:42 GMT", now) == 42
    assert parse_retry_after("Sat, 31 Jan 2026 09:29:42 GMT", now) == 0
    assert [parse_retry_after(text) for text in (None, "", "1.5", "-1", "soon", "٣")] == [None] * 6


def test_dates() -> None:
    assert parse_date("Sat, 31 Jan 2026 09:30:42 GMT") == datetime(2026, 1, 31, 9, 30, 42, tzinfo=UTC)
    assert parse_date("yesterday") is None
    for zone in ("-1200", f"+{'9' * 14}"):
        assert parse_date(f"Fri, 31 Dec 9999 23:59:59 {zone}") is None
        assert parse_retry_after(f"Fri, 31 Dec 9999 23:59:59 {zone}") is None
    assert parse_date(None) is None


def test_lists() -> None:
    assert split_list(['a, "b, c" ,,d', " e"]) == ("a", '"b, c"', "d", "e")
    assert names_in(["Origin, Accept-Encoding", "*"]) == {"origin", "accept-encoding", "*"}
    assert names_in([]) == frozenset()


@given(text=st.text(max_size=80))
def test_no_text_whatsoever_breaks_a_reader(text: str) -> None:
    parse_hsts([text])
    parse_media_type(text)
    parse_retry_after(text)
    parse_date(text)
    whole_seconds(text)
    spares_private_answers(parse_cache_control([text]))
    assert isinstance(dict(parse_cache_control([text])), dict)
