"""Whether what runs is what was asked for: a stack of ours by its facts, anybody's service by what it says it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import StackError
from harness.model import Build, Instance, StackInfo, Target
from harness.stack.build import fingerprint, identify_build, reported_build
from harness.stack.ports import HOST, is_free, occupied
from harness.stack.readiness import service_asker
from harness.stack.supervisor.registry import read_keeper

_SHORTEST_COMMIT = 7


def difference(info: StackInfo, target: Target, backend: str, overrides: Mapping[str, str]) -> str:
    """In what a running stack is not the asked-for one: target, backend, settings, build; "" if in nothing."""
    if info.target != target.name:
        return f"its target is {info.target}, not {target.name}"
    if info.backend != backend:
        return f"its backend is {info.backend}, not {backend}"
    if dict(info.overrides) != dict(overrides):
        return f"its --env is {_shown(info.overrides)}, not {_shown(overrides)}"
    keeper = read_keeper(Path(info.state_dir))
    if keeper is None or keeper.fingerprint == fingerprint(target):
        return ""
    was = f"{info.build.id[:12]}{' with changes' if info.build.dirty else ''}"
    now = _named(identify_build(target))
    return f"it runs build {was or 'unknown'}, and profile or source have changed since (now {now})"


def numbers_differ(info: StackInfo, instances: int, workers: int) -> str:
    """In which number a running stack is not the asked-for one; "" if in none."""
    if len(info.instances) != instances:
        return f"it has {len(info.instances)} instances, not {instances}"
    if len(info.workers) != workers:
        return f"it has {len(info.workers)} workers, not {workers}"
    return ""


def way_differs(info: StackInfo, *, tls: bool) -> str:
    """Whether a running stack is reached in another way than it was asked for; "" if not."""
    if bool(info.ca_file) != tls:
        return "it is reached without TLS, not with --tls" if tls else "it is reached over TLS (--tls)"
    return ""


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
    different = _other_build(build, target) or service_asker(url, target.health, target.service.timeout_s)()
    if different:
        raise taken(port, f"it is not known to be {target.name}: {different}")
    return StackInfo(
        name=f"port-{port}",
        backend="attach",
        target=target.name,
        url=url,
        owned=False,
        instances=(Instance(url=url),),
        build=build,
    )


def taken(port: int, what: str) -> StackError:
    """The error for a port that was asked for and is served by what is not the asked-for service."""
    found = occupied(port).message
    before, _, remedy = found.partition("; ")
    return StackError(f"{before}, and {what}; {remedy}")


def _other_build(said: Build, target: Target) -> str:
    if not target.build.path:
        return "the profile names no [build] path to ask"
    if said.kind == "unknown":
        return f"it does not say at {target.build.path} which build it is"
    ours = identify_build(target)
    if ours.kind == "commit" and not ours.dirty and len(said.id) >= _SHORTEST_COMMIT and ours.id.startswith(said.id):
        return ""
    return f"it says that it is build {said.id[:40]}, and the sources are {_named(ours)}"


def _named(build: Build) -> str:
    return f"{build.id[:12] or 'of no known commit'}{' with changes' if build.dirty else ''}"


def _shown(overrides: Mapping[str, str]) -> str:
    return " ".join(sorted(f"{key}={value}" for key, value in overrides.items())) or "empty"
