"""Headers on their way through the proxy."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.proxy.headers import encoded, end_to_end, head, status_line, with_length

_NAMES = st.text("abcXYZ-_0!", min_size=1, max_size=12).map(lambda name: f"x{name}")
_VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
_HEADERS = st.lists(st.tuples(_NAMES, _VALUES), max_size=8).map(tuple)


def raw(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return encoded(pairs)


@given(_HEADERS)
def test_what_is_for_both_ends_stays_as_it_was(headers) -> None:
    assert end_to_end(encoded(headers)) == headers


def test_what_is_for_one_connection_stays_behind() -> None:
    kept = end_to_end(
        raw(
            ("Set-Cookie", "a=1"),
            ("connection", "keep-alive, X-Mine"),
            ("Keep-Alive", "timeout=5"),
            ("x-mine", "secret"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
            ("Set-Cookie", "b=2"),
        )
    )
    assert kept == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))


@given(_HEADERS, _HEADERS, st.integers(0, 10**9))
def test_a_length_is_corrected_where_it_stands(before, after, length) -> None:
    headers = (*before, ("CONTENT-length", "5"), *after)
    assert with_length(headers, length) == (*before, ("CONTENT-length", str(length)), *after)


@given(_HEADERS, st.integers(0, 10**9))
def test_a_length_is_said_once(headers, length) -> None:
    twice = (*headers, ("content-length", "1"), ("Content-Length", "2"))
    assert [pair for pair in with_length(twice, length) if pair[0].lower() == "content-length"] == [
        ("content-length", str(length))
    ]
    assert with_length(headers, length) == (*headers, ("Content-Length", str(length)))


@given(_HEADERS)
def test_what_is_written_is_read_as_the_same(headers) -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(head(status_line(204), headers))
    answer = client.next_event()
    assert isinstance(answer, h11.Response)
    assert end_to_end(answer.headers.raw_items()) == headers


@pytest.mark.parametrize(("status", "line"), [(404, b"HTTP/1.1 404 Not Found"), (799, b"HTTP/1.1 799 ")])
def test_a_status_has_its_phrase(status, line) -> None:
    assert status_line(status) == line


def test_no_character_is_lost_in_silence() -> None:
    with pytest.raises(UnicodeEncodeError):
        encoded((("X-Euro", "€"),))
