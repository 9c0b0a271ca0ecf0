"""What becomes of the service when a part of it, or of what it stands on, goes away and comes back."""

import time

import pytest

from harness.testing import ServiceUnavailable
from harness.testing.faults import Rig

pytestmark = [pytest.mark.breaks, pytest.mark.rig(instances=1)]

_PAUSE_S = 0.05


def needed(target, server: str, word: str) -> None:
    """Skip where the target stands on no such server."""
    if server not in target.service.needs:
        pytest.skip(f"not applicable: {target.absent.get(word, f'the service needs no {server}')}")


def ready_path(target) -> str:
    return target.health.ready or target.health.live or "/"


def is_ready(target, status: int) -> bool:
    """As its start is judged: 200 of a path that says so; of a service without one, any answer but its own failure."""
    return status == 200 if target.health.ready or target.health.live else status < 500


def await_ready(rig: Rig, target) -> float:
    """Seconds until the service answers as ready; it has as long as for a start."""
    client, begun, last = rig.client(), time.monotonic(), "nothing"
    while (elapsed := time.monotonic() - begun) < target.service.start_timeout_s:
        try:
            status = client.exchange("GET", ready_path(target)).status
        except ServiceUnavailable as error:
            last = error.what
        else:
            last = f"status {status}"
            if is_ready(target, status):
                return elapsed
        time.sleep(_PAUSE_S)
    pytest.fail(f"not ready within {target.service.start_timeout_s:g} s: GET {ready_path(target)}: {last}")


@pytest.fixture
def read(rig, target):
    """`read()`: the statuses of all cached paths, each asked as the profile says one must."""
    if not target.cache.paths:
        pytest.skip(f"not applicable: {target.absent.get('cache', 'the profile names no [cache] paths')}")
    # logged in before anything is broken: how logins fare is another question
    clients = {role: rig.client(role=role) for role in {None, *target.cache.roles.values()}}

    def read() -> dict[str, int]:
        return {path: clients[target.cache.roles.get(path)].exchange("GET", path).status for path in target.cache.paths}

    return read


@pytest.mark.check("resilience.killed", severity="high", source="the profile's [health] ready", subject="an instance")
def test_an_instance_that_was_killed_serves_when_it_is_started_again(rig, target):
    (instance,) = rig.instances
    rig.kill(instance)
    with pytest.raises(ServiceUnavailable):
        rig.client().exchange("GET", ready_path(target))
    rig.start(instance)
    status = rig.client().exchange("GET", ready_path(target)).status
    assert is_ready(target, status), f"GET {ready_path(target)} answered {status} after the instance was started again"


@pytest.mark.check(
    "resilience.cache_down", severity="critical", source="the profile's [cache] paths", subject="cache server stopped"
)
def test_without_its_cache_server_the_service_still_answers(rig, target, read):
    needed(target, "valkey", "cache")
    well = dict.fromkeys(target.cache.paths, 200)
    assert read() == well
    rig.stop("valkey")
    assert [read(), read()] == [well, well]
    assert rig.exit_status(rig.instances[0]) is None


@pytest.mark.check(
    "resilience.cache_back", severity="high", source="the profile's [health]", subject="cache server back"
)
def test_when_its_cache_server_is_back_the_service_is_ready_by_itself(rig, target, read):
    needed(target, "valkey", "cache")
    rig.stop("valkey")
    read()
    rig.start("valkey")
    await_ready(rig, target)
    assert read() == dict.fromkeys(target.cache.paths, 200)
    assert rig.exit_status(rig.instances[0]) is None


@pytest.mark.check("resilience.database_back", severity="critical", source="the profile's [health]", subject="database")
def test_when_its_database_is_back_the_service_is_ready_by_itself(rig, target):
    needed(target, "postgres", "database")
    pid = rig.instances[0].pid
    rig.stop("postgres")
    # what it answers meanwhile is its own affair; that it was asked is part of the trial
    client = rig.client()
    for _ in range(3):
        with_patience(client, ready_path(target))
    rig.start("postgres")
    await_ready(rig, target)
    assert (rig.exit_status(rig.instances[0]), rig.instances[0].pid) == (None, pid)


def with_patience(client, path: str) -> None:
    """Ask, whatever comes."""
    try:
        client.exchange("GET", path)
    except ServiceUnavailable:
        return
