"""What the one way out to a target bounds: servers that say exactly the bytes they are told to, on loopback."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SafetyError
from harness.model.network import is_loopback_host
from harness.probes.exchange import UnfitAnswer
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.probes.patience import count_waits, is_silent, wait_for
from harness.probes.reach import Reach, place_of
from harness.probes.timed_get import TimedConnection
from harness.probes.transport import MAX_CRUMBS, MAX_FIELDS, MAX_INTERIM
from tests.scripted_server import Line, ScriptedServer

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = OK + b"Content-Length: 2\r\n\r\nok"


@contextmanager
def asked(script: Callable[[Line], None], timeout_s: float = 5.0) -> Iterator[RecordingClient]:
    def listen(line: Line) -> None:
        while line.read():
            try:
                script(line)
            except OSError:
                return

    with ScriptedServer(listen) as server, RecordingClient(server.url, timeout_s=timeout_s) as client:
        yield client


def endless(data: bytes) -> Callable[[Line], None]:
    def say(line: Line) -> None:
        while True:
            line.say(data)

    return say


def dripping(begin: bytes, drop: bytes) -> Callable[[Line], None]:
    def say(line: Line) -> None:
        line.say(begin)
        while True:
            line.say(drop)
            time.sleep(0.02)  # the server's own pace, which no assertion waits for

    return say


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (endless(b"HTTP/1.1 100 Continue\r\n\r\n"), "interim answers"),
        (endless(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000), "interim answers"),
        (lambda line: line.say(OK + b"X: " + b"a" * 2**20 + b"\r\n\r\n"), "cut before|longer than"),
        (lambda line: line.say(OK + b"X: a\r\n" * (MAX_FIELDS + 1) + b"Content-Length: 0\r\n\r\n"), "header fields"),
        (endless(OK + b"\r\n" + b"a" * 2**20), "longer than 33554432 bytes"),
        (endless(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"5;" + b"a" * 2**20), "cut before"),
        (lambda line: line.say(CHUNKED + b"1\r\na\r\n" * (MAX_CRUMBS + 1) + b"0\r\n\r\n"), "chunks of fewer than"),
        (lambda line: line.say(b"HTTP/1.1 000 Weird\r\nContent-Length: 0\r\n\r\n"), "cut before"),
        (lambda line: line.say(b"HTTP/1.1 20 Weird\r\nContent-Length: 0\r\n\r\n"), "cut before"),
        (lambda line: line.say(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx"), "cut before"),
        (lambda line: line.say(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx"), "cut before"),
        (lambda line: line.say(OK + "Content-Length: ²\r\n\r\nx".encode()), "cut before"),
        (lambda line: line.say(b"\x00\xff" * 3000), "cut before"),
        (
            lambda line: line.say(OK + b"Content-Encoding: " + b"gzip, " * 3000 + b"\r\nContent-Length: 1\r\n\r\nx"),
            "codings on top",
        ),
    ],
)
def test_an_answer_without_measure_is_named(script, says) -> None:
    with asked(script) as client, pytest.raises(ServiceUnavailable, match=says) as caught:
        client.get("/")
    assert len(caught.value.what) < 500


@pytest.mark.parametrize(
    "script",
    [
        dripping(OK, b"X: a\r\n"),
        dripping(OK + b"X: ", b"a"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"[:1]),
        dripping(OK + b"Content-Length: 100000\r\n\r\n", b"a"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n"),
    ],
)
def test_one_deadline_is_for_the_whole_answer_however_it_drips(script) -> None:
    with asked(script, timeout_s=0.5) as client:
        begun = time.monotonic()
        with pytest.raises(ServiceUnavailable, match=r"no whole answer within 0\.5 s"):
            client.get("/")
        assert time.monotonic() - begun < 5


def test_small_chunks_are_bounded_by_their_number_and_many_by_their_size() -> None:
    for chunk, count in ((b"1\r\na\r\n", MAX_CRUMBS), (b"40\r\n" + b"a" * 64 + b"\r\n", MAX_CRUMBS + 1)):
        with asked(lambda line, body=chunk * count: line.say(CHUNKED + body + b"0\r\n\r\n")) as client:
            assert client.exchange("GET", "/").size in (count, 64 * count)


def test_interim_answers_are_counted_not_forbidden() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    with asked(lambda line: line.say(hint * MAX_INTERIM + WHOLE)) as client:
        assert client.exchange("GET", "/").text == "ok"


@pytest.mark.parametrize("times", [1, 2])
def test_a_bomb_is_not_decoded_to_its_end(times) -> None:
    body, coding = bytes(64 * 2**20), ", ".join(["gzip"] * times)
    for _ in range(times):
        body = gzip.compress(body, 1)
    head = f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with asked(lambda line: line.say(OK + head + body)) as client:
        with pytest.raises(ServiceUnavailable, match="longer than 33554432 bytes decoded"):
            client.get("/")
        # somebody who wants to know no more than whether it answers is not hurt by what follows
        assert client.status_of("/") == 200


def test_text_that_no_request_can_hold_is_the_answers_fault() -> None:
    with asked(lambda line: line.say(WHOLE)) as client:
        for path in ("/\ud800", "/a\x00b", "/" + "a" * 70_000, "/x:\n"):
            with pytest.raises(UnfitAnswer):
                client.get(path)
        with pytest.raises(UnfitAnswer):
            client.get("/", headers={"X-Seen": "a\r\nb"})


@pytest.mark.parametrize(
    "cookie",
    ["city=Zürich; Path=/", "\x07=1", "a=1; Max-Age=" + "9" * 400, "a=1; Expires=Thu, 31 Dec 9999999 23:59:59 GMT"],
)
@pytest.mark.filterwarnings("error")
def test_a_cookie_that_cannot_be_read_costs_no_other(cookie) -> None:
    seen: list[bytes] = []

    def script(line: Line) -> None:
        while head := line.read():
            seen.append(head)
            line.say(
                OK
                + f"Set-Cookie: {cookie}\r\nSet-Cookie: session=1; Path=/\r\n".encode()
                + b"Content-Length: 0\r\n\r\n"
            )

    with ScriptedServer(script) as server, RecordingClient(server.url) as client:
        client.get("/")
        client.get("/")
    assert b"session=1" in seen[1]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/abs", "http://foreign.test/abs", "https://127.0.0.1:{port}/"])
def test_requests_leave_for_no_other_place(url) -> None:
    with asked(lambda line: line.say(WHOLE)) as client:
        there = url.replace("{port}", str(client.base_url.port))
        with pytest.raises((SafetyError, ServiceUnavailable)) as caught:
            client.get(there)
        assert "nobody allowed" in str(caught.value) or there.startswith("https")


@pytest.mark.parametrize("path", ["//foreign.test/x", "@foreign.test/x", "\\\\foreign.test\\x", ":80@foreign.test/x"])
def test_a_path_stays_on_the_service_however_it_is_written(path) -> None:
    with asked(lambda line: line.say(WHOLE)) as client:
        try:
            client.get(path)
        except (UnfitAnswer, SafetyError):
            return
        assert client.last.url.startswith(str(client.base_url).rstrip("/"))


def test_a_redirect_is_followed_to_the_places_of_the_stack_alone() -> None:
    def away(line: Line) -> None:
        line.say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/landed\r\nContent-Length: 0\r\n\r\n")

    with asked(away) as client:
        assert client.get("/").status_code == 302
        with pytest.raises(UnfitAnswer, match=r"redirects to 'http://127\.0\.0\.1:1/landed'"):
            client.get("/", follow_redirects=True)


@pytest.mark.parametrize("follow", [False, True])
@given(
    st.one_of(
        st.sampled_from(
            ["javascript:alert(1)", "http:x", "mailto:a@b", "data:,x", "http://[", "//[::1", "http://a:b:c/"]
        ),
        st.builds("{}:{}".format, st.sampled_from(["http", "https", "x", "file", "about"]), st.text(max_size=20)),
        st.builds("//{}".format, st.text(max_size=20)),
        st.text(max_size=30),
    ).map(lambda text: "".join(letter for letter in text if letter not in "\r\n\0").encode("utf-8", "replace"))
)
def test_wherever_an_answer_redirects_it_costs_one_request(follow, place) -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n"
    with asked(lambda line: line.say(answer)) as client, suppress(ServiceUnavailable, UnfitAnswer, SafetyError):
        client.get("/", follow_redirects=follow)


def test_redirects_are_counted() -> None:
    with (
        asked(lambda line: line.say(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")) as client,
        pytest.raises(ServiceUnavailable, match="more than 10 redirects"),
    ):
        client.get("/", follow_redirects=True)


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with asked(lambda line: line.say(WHOLE)) as client:
        assert client.get("/").status_code == 200


def test_a_name_is_looked_up_once(monkeypatch) -> None:
    answers = ["127.0.0.1", "10.1.2.3"]

    def look_up(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    reach = Reach.of("http://rebinding.test:8123")
    assert reach.addresses("rebinding.test", 8123) == reach.addresses("REBINDING.test.", 8123) == ("127.0.0.1",)


def test_a_name_of_this_machine_that_means_another_is_refused(monkeypatch) -> None:
    def look_up(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(SafetyError, match=r"names this machine, and its address here is 10\.1\.2\.3"):
        Reach.of("http://evil.localhost:8124").addresses("evil.localhost", 8124)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://A.test", ("a.test", 80)),
        ("https://a.test./x", ("a.test", 443)),
        ("http://[::1]:81", ("::1", 81)),
        ("http://u:p@a.test:5", ("a.test", 5)),
        ("http://bücher.test", ("xn--bcher-kva.test", 80)),
        ("file:///etc/passwd", None),
        ("http://[", None),
        ("http://a:99999", None),
    ],
)
def test_places_of_urls(url, place) -> None:
    assert place_of(url) == place


def test_names_of_this_machine() -> None:
    assert all(map(is_loopback_host, ("localhost", "A.LOCALHOST.", "127.3.2.1", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback_host, ("localhost.test", "10.0.0.1", "::ffff:10.0.0.1", "")))


@pytest.mark.parametrize(
    "script",
    [
        endless(b"HTTP/1.1 100 Continue\r\n\r\n"),
        endless(OK + b"X: " + b"a" * 65536),
        lambda line: line.say(OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nx"),
        lambda line: line.say("HTTP/1.1 ² OK\r\n\r\n".encode("latin-1")),
        lambda line: line.say(OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nx"),
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"a" * 65536),
        dripping(OK, b"X: a\r\n"),
    ],
)
def test_a_timed_get_is_bounded_too(script) -> None:
    def listen(line: Line) -> None:
        line.read()
        try:
            script(line)
        except OSError:
            return

    with (
        ScriptedServer(listen) as server,
        TimedConnection(server.url, timeout_s=1.0) as connection,
        pytest.raises(ServiceUnavailable),
    ):
        connection.get("/ü€ x")


def test_a_service_that_hangs_is_waited_for_less_by_all_who_ask_it(tmp_path) -> None:
    def half(line: Line) -> None:
        while head := line.read():
            line.say(WHOLE if head.startswith(b"GET /fine") else OK + b"Content-Length: 5\r\n\r\n")

    with ScriptedServer(half) as server, RecordingClient(server.url, timeout_s=1.5) as client:
        place = place_of(server.url)
        assert place is not None
        count_waits(place, str(tmp_path))
        for path, says in (("/a", "1.5 s"), ("/fine", ""), ("/b", "1.5 s"), ("/c", "1.5 s"), ("/c", "1.5 s")):
            if says:
                with pytest.raises(ServiceUnavailable) as caught:
                    client.get(path)
                assert caught.value.what == f"no whole answer within {says}"
            else:
                client.get(path)
            assert is_silent(place) is bool(says)
        with pytest.raises(ServiceUnavailable, match=r"within 0\.25 s"):
            client.get("/c")
        assert client.get("/fine").status_code == 200
        while not wait_for(place, "GET /d", 1.5).refusal:
            wait_for(place, "GET /d", 1.5).in_vain(1.5)
        with pytest.raises(ServiceUnavailable, match="not asked on"):
            client.get("/d")
        with pytest.raises(ServiceUnavailable, match="not asked on"):
            client.surplus_behind("GET", "/d")


def test_an_answer_that_breaks_off_after_a_while_was_waited_for_in_vain_too(tmp_path) -> None:
    def late(line: Line) -> None:
        path = line.read().split()[1]
        if path == b"/late":
            time.sleep(1.1)
        line.say(OK + b"Content-Length: 5\r\n\r\nhe")

    with ScriptedServer(late) as server, RecordingClient(server.url) as client:
        place = place_of(server.url)
        assert place is not None
        count_waits(place, str(tmp_path))
        for path, is_waited_for in (("/", False), ("/late", True)):
            with pytest.raises(ServiceUnavailable, match="cut before"):
                client.get(path)
            assert is_silent(place) is is_waited_for
