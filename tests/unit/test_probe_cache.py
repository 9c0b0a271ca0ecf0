"""The cache comparison's plan, and the timed connection against a server that speaks raw bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from harness.errors import UsageError
from harness.probes.address import AddressBook
from harness.probes.cache import KINDS, compare_cached
from harness.probes.http import ServiceUnavailable
from harness.probes.timed_clients import TimedClients
from harness.probes.timed_get import TimedAnswer, TimedConnection


def sender(name: str, log: list[str], *, seconds: float, mark: str) -> Callable[[str], TimedAnswer]:
    def send(path: str) -> TimedAnswer:
        log.append(f"{name} {path}")
        return TimedAnswer(seconds, 200, {"x-cache": mark}, 10)

    return send


def test_blocks_are_interleaved_counted_and_the_same_for_the_same_seed() -> None:
    def measure(seed: int) -> tuple[list[str], object]:
        log: list[str] = []
        samples = compare_cached(
            sender("on", log, seconds=0.001, mark="HIT"),
            sender("off", log, seconds=0.01, mark="BYPASS"),
            ["/a", "/b"],
            blocks=4,
            per_block=3,
            seed=seed,
            warm_up=2,
        )
        return log, samples

    log, samples = measure(7)
    assert len(log) == 2 * 2 * 2 + 4 * 2 * 3 * 3
    assert log == measure(7)[0]
    assert log != measure(8)[0]
    (first, second) = samples.paths  # type: ignore[attr-defined]
    assert (first.path, second.path) == ("/a", "/b")
    assert first.cached == ((0.001,) * 3,) * 4
    assert first.uncached == first.uncached_again == ((0.01,) * 3,) * 4
    assert [first.count(kind) for kind in KINDS] == [12, 12, 12]
    assert first.marks["cached"] == {"HIT": 12}
    assert first.marks["uncached_again"] == {"BYPASS": 12}
    assert first.unusable == {}
    assert first.sizes == dict.fromkeys(KINDS, (10,))
    # no kind waits for the end of another: each third of the run holds all of them
    body = log[8:]
    thirds = [body[start : start + len(body) // 3] for start in range(0, len(body), len(body) // 3)]
    assert all({line.split()[0] for line in third} == {"on", "off"} for third in thirds)


def test_what_is_no_success_is_no_sample() -> None:
    numbers = count()

    def sometimes(_path: str) -> TimedAnswer:
        return TimedAnswer(0.001, 429 if next(numbers) % 2 else 200, {}, 3)

    samples = compare_cached(sometimes, sometimes, ["/a"], blocks=2, per_block=4, seed=1, warm_up=0)
    seen = samples.paths[0]
    assert sum(seen.count(kind) for kind in KINDS) == 12
    assert sum(each["429"] for each in seen.unusable.values()) == 12
    assert all(marks == {"": 4} for marks in seen.marks.values())


@pytest.mark.parametrize(("paths", "blocks", "per_block"), [([], 4, 4), (["/"], 1, 4), (["/"], 4, 0)])
def test_nothing_to_compare_is_refused(paths: list[str], blocks: int, per_block: int) -> None:
    with pytest.raises(ValueError, match="a comparison needs"):
        compare_cached(lambda _: TimedAnswer(1, 200, {}, 0), lambda _: TimedAnswer(1, 200, {}, 0), paths,
                       blocks=blocks, per_block=per_block, seed=1)  # fmt: skip


# --- the timed connection ------------------------------------------------------------------------------------------


@contextmanager
def scripted(*conversations: tuple[bytes, ...]) -> Iterator[tuple[str, list[tuple[int, str, bytes]]]]:
    """A server that answers the n-th connection's requests with the n-th tuple's bytes, then closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[tuple[int, str, bytes]] = []

    def serve() -> None:
        for number, answers in enumerate(conversations):
            connection, peer = listener.accept()
            with connection:
                for answer in answers:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        data = connection.recv(65536)
                        if not data:
                            return
                        request += data
                    seen.append((number, peer[0], request))
                    for piece in answer.split(b"|"):
                        connection.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        listener.close()
        thread.join(5)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Cache: HIT\r\n\r\nhi"


def test_a_connection_is_kept_and_the_request_is_exact() -> None:
    with scripted((OK, OK)) as (url, seen), TimedConnection(url, timeout_s=5) as connection:
        first = connection.get("/a?b", {"X-Forwarded-For": "198.18.0.1"})
        connection.get("/")
    assert (first.status, first.size, first.headers["x-cache"]) == (200, 2, "HIT")
    assert first.seconds > 0
    assert [number for number, _, _ in seen] == [0, 0]
    assert seen[0][2].startswith(b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Forwarded-For: 198.18.0.1\r\n" in seen[0][2]


@pytest.mark.parametrize(
    ("answer", "status", "size"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3|\r\nabc\r|\n2;x=y\r\nde\r\n0\r\n\r\n", 200, 5),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: x|\r\n\r\n", 200, 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, 0),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n|" + OK, 200, 2),
        (b"HTTP/1.1 200 OK\r\nContent-|Length: 4\r\n\r|\n\r\n\r\n", 200, 4),
    ],
)
def test_bodies_are_read_to_their_end_and_no_further(answer: bytes, status: int, size: int) -> None:
    with scripted((answer, OK)) as (url, seen), TimedConnection(url, timeout_s=5) as connection:
        first = connection.get("/")
        second = connection.get("/")
    assert (first.status, first.size) == (status, size)
    assert (second.status, second.size) == (200, 2)
    assert len(seen) == 2


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    with scripted((b"HTTP/1.1 200 OK\r\n\r\nabc",), (OK,)) as (url, _), TimedConnection(url, timeout_s=5) as connection:
        assert connection.get("/").size == 3
        assert connection.get("/").size == 2


def test_a_connection_that_the_service_closed_is_opened_anew() -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with scripted((closing,), (OK,)) as (url, seen), TimedConnection(url, timeout_s=5) as connection:
        connection.get("/")
        connection.get("/")
    assert [number for number, _, _ in seen] == [0, 1]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "cut before"),
        (b"", "cut before"),
        (b"SSH-2.0-x\r\n\r\n", "does not begin like HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"),
    ],
)
def test_an_answer_that_is_not_whole_is_the_services(answer: bytes, says: str) -> None:
    with (
        scripted((answer,)) as (url, _),
        TimedConnection(url, timeout_s=5) as connection,
        pytest.raises(ServiceUnavailable, match=says),
    ):
        connection.get("/")


def test_no_answer_in_time_is_the_services() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        TimedConnection(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.1) as connection,
        pytest.raises(ServiceUnavailable, match=r"within 0\.1 s"),
    ):
        connection.get("/")


def test_only_http_is_timed() -> None:
    with pytest.raises(UsageError, match="http"):
        TimedConnection("ftp://127.0.0.1", timeout_s=1)


def test_clients_change_before_a_limit_is_met(tmp_path: object) -> None:
    book = AddressBook(tmp_path)  # type: ignore[arg-type]
    with (
        scripted((OK, OK, OK)) as (url, seen),
        TimedClients(url, address_mode="x-forwarded-for", timeout_s=5, per_client=2, book=book,
                     headers_for={"/a": {"Authorization": "Bearer x"}}) as clients,
    ):  # fmt: skip
        for _ in range(3):
            clients.get("/a")
    addresses = [request.split(b"X-Forwarded-For: ")[1].split(b"\r\n")[0] for _, _, request in seen]
    assert addresses[0] == addresses[1] != addresses[2]
    assert all(b"Authorization: Bearer x" in request for _, _, request in seen)


def test_clients_told_apart_by_their_peer_get_a_connection_each(tmp_path: object) -> None:
    book = AddressBook(tmp_path)  # type: ignore[arg-type]
    with (
        scripted((OK,), (OK,)) as (url, seen),
        TimedClients(url, address_mode="source", timeout_s=5, per_client=1, book=book) as clients,
    ):
        clients.get("/")
        clients.get("/")
    assert len({peer for _, peer, _ in seen}) == 2
    assert all(peer.startswith("127.1.") for _, peer, _ in seen)
