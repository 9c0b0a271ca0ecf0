"""Whether what runs is what was asked for: a stack of ours by its facts, anybody's service by what it says it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.model import Build, Instance, StackInfo, Target
from harness.stack.build import fingerprint, identify_build, reported_build
from harness.stack.ports import HOST, is_free, occupied
from harness.stack.readiness import service_problem
from harness.stack.supervisor.registry import read_owner

_SHORTEST_COMMIT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRequest:
    """What a running stack must be to be used for the one that is asked for."""

    target: Target
    backend: str
    overrides: Mapping[str, str]
    instances: int | None = None
    """None for any number."""
    workers: int | None = None
    """None for any number."""
    tls: bool | None = None
    """Whether it is reached over TLS; None for either."""


@dataclass(frozen=True, slots=True)
class StackDifference:
    """One thing in which what runs is not what was asked for."""

    kind: Literal["target", "backend", "settings", "build", "tls", "instances", "workers", "health", "absence"]
    text: str
    """A clause of a sentence, for people."""


def find_difference(info: StackInfo, request: StackRequest) -> StackDifference | None:
    """The first thing in which a running stack is not the requested one; None if it is the same."""
    if info.target != request.target.name:
        return StackDifference("target", f"its target is {info.target}, not {request.target.name}")
    if info.backend != request.backend:
        return StackDifference("backend", f"its backend is {info.backend}, not {request.backend}")
    if dict(info.overrides) != dict(request.overrides):
        return StackDifference("settings", f"its --env is {_shown(info.overrides)}, not {_shown(request.overrides)}")
    return _build_difference(info, request.target) or _shape_difference(info, request)


def _build_difference(info: StackInfo, target: Target) -> StackDifference | None:
    owner = read_owner(Path(info.state_dir))
    if owner is None or owner.fingerprint == fingerprint(target):
        return None
    was = f"{info.build.id[:12]}{' with changes' if info.build.dirty else ''}" or "unknown"
    now = _named(identify_build(target))
    return StackDifference("build", f"it runs build {was}, and profile or source have changed since (now {now})")


def _shape_difference(info: StackInfo, request: StackRequest) -> StackDifference | None:
    if request.tls is not None and bool(info.ca_file) != request.tls:
        text = "it is reached without TLS, not with --tls" if request.tls else "it is reached over TLS (--tls)"
        return StackDifference("tls", text)
    if request.instances is not None and len(info.instances) != request.instances:
        return StackDifference("instances", f"it has {len(info.instances)} instances, not {request.instances}")
    if request.workers is not None and len(info.workers) != request.workers:
        return StackDifference("workers", f"it has {len(info.workers)} workers, not {request.workers}")
    return None


def serving_at(port: int, stacks: Iterable[StackInfo]) -> StackInfo | None:
    """The stack of ours that is reached, or one of whose instances is, at a port of this machine."""
    urls = ((info, {info.url, *(each.url for each in info.instances)}) for info in stacks)
    return next((info for info, reached in urls if any(urlsplit(url).port == port for url in reached)), None)


def same_service_at(port: int, target: Target) -> StackInfo | None:
    """The service that somebody else runs at a port: its facts, as of one that is attached to, if it is the target.

    None if nobody listens there. Raises StackError saying what differs: it must be well, and say that its build is the
    commit of the target's sources, which must have no changes.
    """
    if is_free(port):
        return None
    url = f"http://{HOST}:{port}"
    build = reported_build(target, url)
    different = _foreign_difference(build, target)
    if different is None:
        problem = service_problem(url, target.health, target.service.timeout_s)
        different = None if problem is None else StackDifference("health", problem)
    if different is not None:
        raise occupied(port, f"it is not known to be {target.name}: {different.text}")
    return StackInfo(
        name=f"port-{port}",
        backend="attach",
        target=target.name,
        url=url,
        owned=False,
        instances=(Instance(url=url),),
        build=build,
    )


def _foreign_difference(said: Build, target: Target) -> StackDifference | None:
    if not target.build.path:
        return StackDifference("build", "the profile names no [build] path to ask")
    if said.kind == "unknown":
        return StackDifference("build", f"it does not say at {target.build.path} which build it is")
    ours = identify_build(target)
    if ours.kind == "commit" and not ours.dirty and len(said.id) >= _SHORTEST_COMMIT and ours.id.startswith(said.id):
        return None
    return StackDifference("build", f"it says that it is build {said.id[:40]}, and the sources are {_named(ours)}")


def _named(build: Build) -> str:
    return f"{build.id[:12] or 'of no known commit'}{' with changes' if build.dirty else ''}"


def _shown(overrides: Mapping[str, str]) -> str:
    return " ".join(sorted(f"{key}={value}" for key, value in overrides.items())) or "empty"
