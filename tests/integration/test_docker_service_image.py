"""The image of the reference service: few rights, nothing left of its build, pinned, and a true list of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from harness.config import load_target
from harness.machine.bundle import root
from harness.stack import launch
from harness.stack.docker import backend
from harness.stack.supervisor.process import MARK
from tests.stack_target import eventually

SERVICE = root() / "service"
LISTS = """
import importlib.metadata as metadata, json, subprocess
python = {one.metadata["Name"]: one.version for one in metadata.distributions()}
words = ["dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Package} ${Version}\\n"]
lines = [line.split() for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()]
print(json.dumps([python, {name: version for status, name, version in lines if status == "ii"}]))
"""
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
QUICK = {"interval": 10**9, "timeout": 3 * 10**9, "retries": 1}


@pytest.fixture(scope="module")
def image(engine: Any) -> str:
    """Built by `make images`, or by the stack itself where a build reaches a package index."""
    return backend.service_image(engine, load_target("dealradar", root()))[1]


def said(engine: Any, image: str, *words: str) -> str:
    """What a program says in a container of the image."""
    output: bytes = engine.client.containers.run(
        image, list(words[1:]), entrypoint=words[0], network_mode="none", read_only=True, remove=True
    )
    return output.decode()


def test_it_is_not_root_and_can_change_nothing_in_it(engine: Any, image: str) -> None:
    user = engine.client.images.get(image).attrs["Config"]["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, so that an orchestrator sees that it is not root"
    assert said(engine, image, "id", "-u").strip() == user.split(":")[0]
    assert said(engine, image, "find", "/app", "-writable", "-not", "-type", "l") == ""


def test_nothing_of_its_build_is_in_it(engine: Any, image: str) -> None:
    found = said(engine, image, "sh", "-c", "ls -d /build /tool /app/sbom /app/wheels 2>/dev/null; ls /app -A")
    assert found.split() == [".env.development", ".env.test", ".venv", "dealradar", "sbom.cdx.json"]
    tools = {"pip", "cyclonedx-bom", "cyclonedx-python-lib"}
    python, _ = json.loads(said(engine, image, "python", "-c", LISTS))
    assert tools & {canonicalize_name(name) for name in python} == set()


def test_every_package_is_the_one_that_its_lock_names(engine: Any, image: str) -> None:
    locked = {
        canonicalize_name(name): version
        for name, version in PINNED.findall((SERVICE / "requirements.lock").read_text())
    }
    python, _ = json.loads(said(engine, image, "python", "-c", LISTS))
    assert python
    assert {name: version for name, version in python.items() if locked.get(canonicalize_name(name)) != version} == {}


def test_its_list_names_what_is_in_it_and_nothing_else(engine: Any, image: str) -> None:
    bill = json.loads(said(engine, image, "cat", "/app/sbom.cdx.json"))
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "1.6",
        "dealradar",
    )
    listed: dict[str, dict[str, str]] = {"pypi": {}, "deb": {}}
    for one in bill["components"]:
        listed[one["purl"].removeprefix("pkg:").split("/")[0]][one["name"]] = one["version"]
    python, system = json.loads(said(engine, image, "python", "-c", LISTS))
    assert {canonicalize_name(name): version for name, version in listed["pypi"].items()} == {
        canonicalize_name(name): version for name, version in python.items()
    }
    assert listed["deb"] == system
    assert len(system) > 50


@pytest.fixture(scope="module")
def stack(engine: Any) -> Iterator[Any]:
    """The service with all that it needs, so that one more of it can be started by hand."""
    assert engine.client.ping()
    with launch(load_target("dealradar", root()), backend="docker", workers=0) as started:
        yield started


@pytest.fixture
def by_hand(engine: Any, image: str, stack: Any) -> Iterator[Any]:
    """The image as an orchestrator starts it: its own entrypoint and health check, no rights, no writable file."""
    mark = stack.info.settings[MARK]
    settings = {key: value for key, value in stack.info.settings.items() if key not in (MARK, "PORT")}
    own = engine.client.images.get(image).attrs["Config"]["Healthcheck"]["Test"]
    container = engine.client.containers.run(
        image,
        environment=settings,
        network=f"harness-{mark}",
        labels={"harness.stack": mark, "harness.network": f"harness-{mark}"},
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        healthcheck={"test": own, **QUICK},
        detach=True,
    )
    yield container
    container.remove(force=True, v=True)


def health(container: Any) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"])


def test_without_rights_and_on_a_read_only_file_system_it_serves_and_tells_its_health(stack: Any, by_hand: Any) -> None:
    assert eventually(lambda: health(by_hand) == "healthy", 60.0), by_hand.logs().decode()
    assert by_hand.attrs["HostConfig"]["ReadonlyRootfs"]
    stack.backend.halt("postgres")
    try:
        assert eventually(lambda: health(by_hand) == "unhealthy", 60.0)
    finally:
        stack.backend.start_again("postgres")
    assert eventually(lambda: health(by_hand) == "healthy", 60.0)
