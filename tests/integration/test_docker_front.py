"""The proxy in front of containers is a process of this machine. Needs a Docker daemon and an image of Python."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.probes.http import RecordingClient
from harness.stack import launch
from tests.docker_target import get, left_of, target_in
from tests.stack_target import listens


def test_tls_and_round_robin_before_containers(engine: Any, tmp_path: Path) -> None:
    target = target_in(tmp_path, trusts=True, env={"PUBLIC": "{url}"})
    with launch(target, backend="docker", instances=2, front="tls") as stack:
        info = stack.info
        assert info.url.startswith("https://")
        with RecordingClient(info.url, ca_file=info.ca_file) as client:
            said = [client.exchange("GET", "/").json() for _ in range(4)]
        assert sorted(Counter(one["env"]["HOSTNAME"] for one in said).values()) == [2, 2]
        assert {one["env"]["PUBLIC"] for one in said} == {info.url}
        # as whoever comes through a published port: from the gateway, which is trusted as a proxy
        assert {f"{one['peer']}/32" for one in said} == {said[0]["env"]["TRUSTED"]}
        assert [get(each.url)["peer"] for each in info.instances] == [said[0]["peer"]] * 2
    assert not listens(urlsplit(info.url).port or 0)
    assert left_of(engine, Path(info.ca_file).stem.removeprefix("ca-")) == []
