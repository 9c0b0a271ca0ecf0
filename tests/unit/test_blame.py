"""Whose fault a failure is: the target's, as long as what it stands on answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.errors import StackError
from harness.model import Outcome, StackInfo
from harness.probes.exchange import Exchange, SentRequest, UnfitAnswer
from harness.probes.http import NotAsked, ServiceUnavailable
from harness.pytest_plugin.attribution import outcome_of, without_servers
from harness.stack.ground import silent_part


def info(**urls: str | None) -> StackInfo:
    return StackInfo(name="n", backend="attach", target="t", url="http://127.0.0.1:1", owned=True, **urls)


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A server that sends `answer` to whoever connects and speaks; None: it accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                kept.append(connection)
                if answer is not None:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in kept:
            connection.close()


def nobody() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PARTS = [
    ("database_url", "postgresql", "database", b"N"),
    ("database_url", "postgres", "database", b"S"),
    ("redis_url", "redis", "cache", b"-NOAUTH Authentication required.\r\n"),
    ("redis_url", "valkey", "cache", b"+PONG\r\n"),
    ("smtp_url", "smtp", "mail server", b"220 ready\r\n"),
]


@pytest.mark.parametrize(("member", "scheme", "part", "answer"), PARTS)
def test_a_part_that_refuses_is_named_one_that_greets_is_not(member, scheme, part, answer):
    assert silent_part(info(**{member: f"{scheme}://u:p@127.0.0.1:{nobody()}/x"})) == part
    with server(answer) as port:
        assert silent_part(info(**{member: f"{scheme}://u:p@127.0.0.1:{port}/x"})) is None


@pytest.mark.parametrize(("member", "scheme", "part", "answer"), PARTS)
def test_a_part_that_is_frozen_is_named(member, scheme, part, answer):  # noqa: ARG001
    with server(None) as port:
        assert silent_part(info(**{member: f"{scheme}://127.0.0.1:{port}"}), patience_s=0.2) == part


@pytest.mark.parametrize(
    "url",
    ["postgresql:///app?host=/run/postgresql", "unix:///run/valkey.sock", "rediss://127.0.0.1:1", "mysql://h:1/x"],
)
def test_what_cannot_be_asked_is_not_called_silent(url):
    assert silent_part(info(database_url=url, redis_url=url)) is None


def refused() -> ServiceUnavailable:
    attempt = SentRequest(
        method="GET", url="http://h/", request_headers=(), request_bytes=b"", request_size=0, client="", bound=False
    )
    return ServiceUnavailable("the connection was not accepted", attempt)


TARGETS_FAULT = [AssertionError("no"), pytest.fail.Exception("no"), refused()]


@pytest.mark.parametrize("error", TARGETS_FAULT, ids=lambda error: type(error).__name__)
def test_it_is_the_targets_fault_while_the_stack_answers(error):
    assert outcome_of(error, info()) == (Outcome.FAIL, "")
    dead = info(redis_url=f"redis://127.0.0.1:{nobody()}")
    assert outcome_of(error, dead) == (Outcome.ERROR, "cache of the stack does not answer")
    assert outcome_of(error, without_servers(dead)) == (Outcome.FAIL, "")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StackError("no"), "the harness failed"),
        (KeyError("id"), "the test itself crashed"),
        (
            NotAsked("its answers took 28 s in all", SentRequest(method="GET", url="http://h/")),
            "its answers took 28 s in all",
        ),
        (pytest.fail.Exception("Timeout (>120.0s) from pytest-timeout."), "the test's own time-out"),
    ],
)
def test_what_is_not_the_targets_fault_is_an_error(error, reason):
    assert outcome_of(error, info()) == (Outcome.ERROR, reason)


@pytest.mark.parametrize("body", [b"<html>", b'{"items": [{"id": 1}]}'], ids=["no JSON", "a member that is missing"])
def test_an_answer_that_a_test_cannot_read_is_the_services_fault(body):
    answer = Exchange(
        method="GET", url="http://127.0.0.1:1/", status=200, headers=(), body=body, size=len(body), elapsed_s=0.1
    )
    with pytest.raises(UnfitAnswer) as caught:
        answer.json()["items"][0]["price"]
    assert outcome_of(caught.value, info()) == (Outcome.FAIL, "")
    assert any(words in str(caught.value) for words in ("no JSON", "no 'price'; it has 'id'"))
