"""Cookies by their effect in a browser: refused, deleted, kept; and what the kept ones are for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.cookies import kept_cookies, looks_like_a_session, parse_cookie_date, parse_set_cookie

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def test_a_cookie_with_everything() -> None:
    cookie = parse_set_cookie("__Host-id=abc=d; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=9")
    assert (cookie.name, cookie.value_length) == ("__Host-id", 5)
    assert (cookie.secure, cookie.http_only, cookie.same_site) == (True, True, "strict")
    assert cookie.attributes["max-age"] == "9"
    assert cookie.problems == ()
    assert "abc" not in repr(cookie)


def test_a_cookie_that_says_nothing() -> None:
    cookie = parse_set_cookie("just text; samesite=whatever")
    assert (cookie.name, cookie.same_site, cookie.secure, cookie.http_only) == ("", "default", False, False)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a=1; SameSite=None", "SameSite=None without Secure"),
        ("a=1; Secure; SameSite=Lax; SameSite=None", ""),
        ("a=1; SameSite=None; SameSite=Lax", ""),  # the last one counts
        ("a=1; Partitioned; Path=/", "Partitioned without Secure"),
        ("__Secure-a=1; HttpOnly", "demands Secure"),
        ("__Host-a=1; Secure; Path=/x", "demands Path=/"),
        ("__Host-a=1; Secure", "demands Path=/"),
        ("__host-a=1; Secure; Path=/; Domain=example.org", "no Domain"),
        ("__Host-a=1; Secure; Path=/; Domain=", ""),
        ("__Http-a=1; Secure", "demands HttpOnly"),
        ("__Host-Http-a=1; Secure; HttpOnly; Path=/", ""),
        ("__Secured=1", ""),
        ("=__Secure-a; Secure", "without a name"),
        ("a=\x00", "control character"),
        ("a=1\t2", ""),
        ("=", "neither a name nor a value"),
        ("a=" + "x" * 4096, "more than 4096"),
        ("a=" + "x" * 4095, ""),
        ("a=; Max-Age=0; SameSite=None", "SameSite=None without Secure"),  # then it is not deleted either
    ],
)
def test_what_browsers_refuse(line: str, says: str) -> None:
    problems = " ".join(parse_set_cookie(line).problems)
    assert says in problems
    assert bool(says) == bool(problems)


@pytest.mark.parametrize(
    ("attributes", "deleted"),
    [
        ("", False),
        ("; Max-Age=0", True),
        ("; Max-Age=-1", True),
        ("; max-age=00", True),
        ("; Max-Age=1", False),
        ("; Max-Age=" + "9" * 5000, False),
        ("; Max-Age=0.5", False),  # no number: as if it were not there
        ("; Max-Age=", False),
        ("; Max-Age=0; Max-Age=60", False),
        ("; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("; Expires=Thu, 01-Jan-70 00:00:01 GMT", True),
        ("; Expires=Fri, 31 Dec 2027 00:00:00 GMT", False),
        ("; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", False),
        ("; Expires=Fri, 31 Dec 2027 00:00:00 GMT; Max-Age=0", True),
        ("; Expires=0", False),
        ("; Expires=never", False),
    ],
)
def test_what_is_deleted(attributes: str, *, deleted: bool) -> None:
    assert parse_set_cookie(f"flash=x{attributes}").is_deleted(NOW) is deleted
    assert (kept_cookies([f"flash=x{attributes}"], NOW) == ()) is deleted


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Wdy, 02 Jan 2026 03:04:05 GMT", (2026, 1, 2, 3, 4, 5)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        ("Sun Nov  6 08:49:37 2069", (2069, 11, 6, 8, 49, 37)),
        ("1:2:3 4 May 07", (2007, 5, 4, 1, 2, 3)),
        ("6 Nov 2026", None),
        ("08:49:37 31 Feb 2026", None),
        ("25:00:00 1 Feb 2026", None),
        ("", None),
    ],
)
def test_dates_as_browsers_read_them(text: str, moment: tuple[int, ...] | None) -> None:
    expected = None if moment is None else datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]
    assert parse_cookie_date(text) == expected


def test_of_one_cookie_the_last_line_counts() -> None:
    lines = ["a=1; Path=/", "a=2; Path=/; HttpOnly", "b=1; Path=/", "b=; Path=/; Max-Age=0", "a=3; Path=/x"]
    assert [(one.name, one.http_only) for one in kept_cookies(lines, NOW)] == [("a", True), ("a", False)]


def test_what_is_refused_changes_nothing() -> None:
    kept = kept_cookies(["a=1; HttpOnly", "a=; Max-Age=0; SameSite=None", "__Host-b=1"], NOW)
    assert [one.name for one in kept] == ["a"]


@pytest.mark.parametrize(
    ("pair", "purpose"),
    [
        ("session=abc", "session"),
        ("PHPSESSID=q", "session"),
        ("connect.sid=s", "session"),
        ("JSESSIONID=1", "session"),
        ("sid=1", "session"),
        ("auth_token=1", "session"),
        ("remember_web=1", "session"),
        ("q=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig1", "session"),
        ("id=4f1c2ab09d7be63355aa", "session"),
        ("XSRF-TOKEN=eyJhbGciOiJIUzI1NiJ9", "csrf"),
        ("csrftoken=4f1c2ab09d7be63355aa", "csrf"),
        ("__RequestVerificationToken=x", "session"),
        (".AspNetCore.Antiforgery.x=1", "csrf"),
        ("lang=en", "other"),
        ("theme=dark", "other"),
        ("tz=Europe/Berlin", "other"),
        ("_ga=GA1.1.1234567890.1234567890", "other"),
        ("anonymous_id=4f1c2ab09d7be63355aa", "other"),
        ("side=left", "other"),
        ("cart=3", "other"),
        ("author=jane", "other"),
        ("assessment=3", "other"),
    ],
)
def test_what_a_cookie_is_for(pair: str, purpose: str) -> None:
    assert parse_set_cookie(f"{pair}; Path=/").purpose == purpose


def test_a_name_alone_can_be_a_sessions() -> None:
    assert looks_like_a_session("sessionid")
    assert not looks_like_a_session("XSRF-TOKEN")
    assert not looks_like_a_session("lang")


@given(lines=st.lists(st.text(max_size=60), max_size=4))
def test_no_text_whatsoever_breaks_a_reader(lines: list[str]) -> None:
    for line in lines:
        cookie = parse_set_cookie(line)
        assert cookie.value_length <= len(line)
        assert cookie.purpose in ("session", "csrf", "other")
        parse_cookie_date(line)
    assert len(kept_cookies(lines, NOW)) <= len(lines)


@given(st.text(alphabet="0123456789:;- JanDec=\ud800\x00", max_size=60))
def test_no_date_whatsoever_breaks_a_reader(text: str) -> None:
    parse_cookie_date(text)
    parse_set_cookie(f"a=1; Expires={text}; Max-Age={text}").is_deleted(NOW)
