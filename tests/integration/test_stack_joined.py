"""A running stack that another process joins: what it starts stays, and the proxy in front is told where to send."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.errors import StackError
from harness.model import StackInfo
from harness.probes.http import RecordingClient
from harness.stack import Stack, launch
from harness.stack.front_proxy import route_front
from harness.stack.launcher import join_stack
from harness.stack.running import RunningStack
from tests.stack_target import eventually, listens, marked_processes, small_target


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with launch(small_target(tmp_path), instances=2, front="plain") as made:
        yield made


@pytest.fixture
def joined(stack: Stack) -> Iterator[RunningStack]:
    made = join_stack(Path(stack.info.state_dir) / "stack.json", "moved")
    yield made
    made.stop()


def settings_of(info: StackInfo, times: int = 4) -> list[str]:
    """What the instances behind the proxy were given, request by request."""
    with RecordingClient(info.url) as client:
        return [client.exchange("GET", "/").json().get("LEVEL", "none") for _ in range(times)]


def test_what_was_started_by_whoever_joined_serves_when_it_has_left(stack, joined):
    copies = joined.start_copies({"LEVEL": "new"}, (None, None), public=stack.info.url)
    assert route_front(stack.info, joined.supervision, [copy.url for copy in copies], 5.0)
    for old in stack.info.instances:
        joined.supervision.stop(old.name)
    joined.stop()
    assert settings_of(stack.info) == ["new"] * 4
    assert not any(listens(int(old.url.rpartition(":")[2])) for old in stack.info.instances)


def test_the_end_of_the_stack_ends_what_was_started_by_whoever_joined(tmp_path):
    with launch(small_target(tmp_path), instances=2, front="plain") as stack:
        mark = stack.info.settings["HARNESS_STACK"]
        joined = join_stack(Path(stack.info.state_dir) / "stack.json", "moved")
        (copy,) = joined.start_copies({}, (None,))
        joined.stop()
        assert listens(int(copy.url.rpartition(":")[2]))
    assert not listens(int(copy.url.rpartition(":")[2]))
    assert not marked_processes(mark)


def test_a_process_that_joined_and_was_told_nothing_ends_nothing(stack, joined):
    with pytest.raises(StackError, match="no-such"):
        joined.supervision.stop("no-such")
    joined.stop()
    assert settings_of(stack.info) == ["none"] * 4


def test_who_is_still_asked_is_waited_for(stack, joined):
    """A request that hangs in a former instance keeps the proxy from saying that nobody asks it any more."""
    slow, other = joined.start_copies({}, (None, None))
    assert route_front(stack.info, joined.supervision, [slow.url], 5.0)
    joined.supervision.signal(slow.name, "STOP")
    answers: list[int] = []

    def ask() -> None:
        with RecordingClient(stack.info.url, timeout_s=20.0) as client:
            answers.append(client.exchange("GET", "/").status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert eventually(lambda: is_connected(int(slow.url.rpartition(":")[2])))
        assert not route_front(stack.info, joined.supervision, [other.url], 0.3)
        assert not answers
    finally:
        joined.supervision.signal(slow.name, "CONT")
        asking.join()
    assert answers == [200]
    assert route_front(stack.info, joined.supervision, [other.url], 5.0)


def is_connected(port: int) -> bool:
    """Whether somebody is connected to what listens there."""
    found = psutil.net_connections("tcp")
    return any(one.laddr and one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in found)


def test_a_stack_that_takes_no_orders_is_named(stack):
    (Path(stack.info.state_dir) / "orders").unlink()
    with pytest.raises(StackError, match="takes no orders"):
        join_stack(Path(stack.info.state_dir) / "stack.json", "moved")
