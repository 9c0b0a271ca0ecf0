"""A stack whose clients speak to it through a proxy of ours; it stays up over all wire mutants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import ConfigError
from harness.model import Listener, StackInfo, Target
from harness.probes.openapi import OpenApi
from harness.probes.surface import find_description
from harness.proxy import Proxy, running_proxy
from harness.stack import Stack, attach_url, launch
from harness.stack.ports import HOST, free_port
from harness.stack.supervisor.registry import OWNER, RECIPE, make_private, write_info


@dataclass(frozen=True, slots=True)
class FrontedStack:
    """A stack under another address, as far as suites are run against it."""

    behind: Stack
    info: StackInfo
    """The facts of the one behind, with the address in front."""

    def own_process(self, pid: int) -> None:
        """As the stack behind."""
        self.behind.own_process(pid)

    def own_folder(self, path: Path) -> None:
        """As the stack behind."""
        self.behind.own_folder(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiedStack:
    """A running stack, the proxy before it, and what the service says of itself."""

    target: Target
    stack: FrontedStack
    proxy: Proxy
    description: OpenApi | None


@contextmanager
def start_proxied(target: Target, overrides: Mapping[str, str], listen: Listener) -> Iterator[ProxiedStack]:
    """Start the target behind a proxy; its own `{url}` is the proxy's. Raises as `launch` does."""
    port = free_port()
    with running_proxy([f"http://{HOST}:{port}"]) as proxy:
        spoken = _spoken_of_as(target, proxy.url)
        with launch(spoken, overrides=overrides, port=port, listen=listen) as stack:
            yield _proxied(spoken, stack, proxy, "")


@contextmanager
def attach_proxied(target: Target, url: str) -> Iterator[ProxiedStack]:
    """Put a proxy before a service that somebody else runs. Raises as `attach_url` does."""
    with attach_url(target, url) as stack:
        parts = urlsplit(stack.info.url)
        with running_proxy([f"{parts.scheme}://{parts.netloc}"]) as proxy:
            yield _proxied(target, stack, proxy, parts.path)


def _proxied(target: Target, stack: Stack, proxy: Proxy, path: str) -> ProxiedStack:
    info = stack.info
    state = Path(info.state_dir) / "wire"
    make_private(state)
    for part in ("logs", "tmp"):
        make_private(state / part)
    # how to start another copy, and which supervisor answers for the stack: the proxied one is the same
    for name in (RECIPE, OWNER):
        kept = Path(info.state_dir) / name
        if kept.is_file():
            (state / name).write_bytes(kept.read_bytes())
    fronted = replace(info, url=f"{proxy.url}{path}", behind=info.url, state_dir=str(state))
    write_info(fronted)
    return ProxiedStack(
        target=target,
        stack=FrontedStack(stack, fronted),
        proxy=proxy,
        description=find_description(target, info.url),
    )


def _spoken_of_as(target: Target, url: str) -> Target:
    """The target with the address that its clients know, wherever its settings say its own."""
    env = {name: value.replace("{url}", url) for name, value in target.service.env.items()}
    if any("{url}" in word for word in target.service.command):
        what = "service.command holds {url}, which cannot be another than the port's own before a proxy; use a setting"
        raise ConfigError(what, path=target.source)
    return replace(target, service=replace(target.service, env=env))
