"""What comes behind an answer's end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.probes.exchange import find_repeated_names
from harness.probes.framing import Surplus
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.patience import count_waits
from harness.probes.reach import place_of
from tests.scripted_server import Line, ScriptedServer

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
HEAD = ANSWER[:-2]
CLOSED = ANSWER.replace(b"Content-Length", b"Connection: close\r\nContent-Length")


def saying(*parts: bytes, ends: bool = False) -> Callable[[Line], None]:
    def script(line: Line) -> None:
        while line.read():
            for part in parts:
                line.say(part)
            if ends:
                return

    return script


def behind(method: str, *parts: bytes, ends: bool = False) -> Surplus | None:
    with ScriptedServer(saying(*parts, ends=ends)) as server, RecordingClient(server.url, timeout_s=5) as client:
        return client.surplus_behind(method, "/x")


@pytest.mark.parametrize(
    ("method", "parts"),
    [
        ("GET", [ANSWER]),
        ("GET", [CHUNKED]),
        ("HEAD", [HEAD]),
        ("GET", [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ANSWER]),
        ("GET", [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n"]),
    ],
)
def test_nothing_comes_behind_a_sound_answer(method: str, parts: list[bytes]) -> None:
    found = behind(method, *parts)
    assert found is not None
    assert (found.size, found.is_kept) == (0, True)


def test_an_answer_that_ends_with_its_connection_has_nothing_behind_it() -> None:
    found = behind("GET", b"HTTP/1.1 200 OK\r\n\r\nok", ends=True)
    assert found is not None
    assert (found.size, found.is_kept) == (0, False)
    assert behind("GET", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n") is None


@pytest.mark.parametrize(
    ("method", "parts", "begins"),
    [
        ("GET", [ANSWER, ANSWER], b"HTTP/1.1 200 OK"),
        ("GET", [ANSWER + b"x"], b"x"),
        ("GET", [CHUNKED + b"\r\n"], b"\r\n"),
        ("HEAD", [ANSWER], b"ok"),
        ("GET", [b"HTTP/1.1 204 No Content\r\n\r\n", b"late"], b"late"),
    ],
)
def test_what_comes_behind_an_answer_is_seen(method: str, parts: list[bytes], begins: bytes) -> None:
    found = behind(method, *parts)
    assert found is not None
    assert found.is_kept
    assert found.size
    assert found.begins.startswith(begins)


def test_a_connection_that_ends_gives_nobody_else_what_is_left() -> None:
    found = behind("HEAD", CLOSED, ends=True)
    assert found is not None
    assert (found.begins, found.is_kept) == (b"ok", False)


@pytest.mark.parametrize("said", [b"nothing of HTTP\r\n\r\n", HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"])
def test_an_answer_that_is_not_whole_is_the_services_fault(said: bytes) -> None:
    with pytest.raises(ServiceUnavailable):
        behind("GET", said, ends=True)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"a": 1, "b": {"a": 2}}', ()),
        (b'[{"a": 1}, {"a": 1}]', ()),
        (b'{"id": 1, "id": 2}', ("id",)),
        (b'[{"x": {"b": 1, "a": 1, "b": 2, "a": 1}}]', ("a", "b")),
        (b'{"a": 1, "\\u0061": 2}', ("a",)),
        (b"7", ()),
    ],
)
def test_a_name_that_an_object_says_twice_is_found(body: bytes, names: tuple[str, ...]) -> None:
    assert find_repeated_names(body) == names


def test_a_service_that_hangs_is_waited_for_less_here_too(tmp_path) -> None:
    with ScriptedServer(saying(HEAD)) as server, RecordingClient(server.url, timeout_s=1.5) as client:
        place = place_of(server.url)
        assert place is not None
        count_waits(place, str(tmp_path))
        for path, says in (("/a", "1.5 s"), ("/a", "1.5 s"), ("/a", "0.25 s")):
            with pytest.raises(ServiceUnavailable) as caught:
                client.surplus_behind("GET", path)
            assert caught.value.what == f"no whole answer within {says}"
