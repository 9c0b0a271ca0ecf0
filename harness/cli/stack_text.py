"""A stack as `up` and `status` print it (docs/commands.md#documents-on-standard-output)."""

from __future__ import annotations

import json

from harness.cli.terminal import echo, echo_json
from harness.model import Instance, StackInfo

_PLACES = ("backend", "url", "database_url", "redis_url", "smtp_url", "mailbox_url", "ca_file")


def stack_document(name: str, info: StackInfo | None) -> dict[str, object]:
    """The document of `up --json` and `status --json`; `"backend": null` where nothing runs."""
    if info is None:
        return {"name": name, **dict.fromkeys(_PLACES), "instances": [], "workers": []}
    return {
        "name": name,
        **{place: getattr(info, place) for place in _PLACES},
        "ca_file": info.ca_file or None,
        "instances": [{"url": instance.url, "pid": instance.pid} for instance in info.instances],
        "workers": [{"pid": worker.pid} for worker in info.workers],
    }


def print_stack(info: StackInfo, *, as_json: bool) -> None:
    """Print where a running stack is reached."""
    if as_json:
        echo_json(json.dumps(stack_document(info.name, info)))
        return
    lines = (
        ("stack", f"{info.name} ({info.target}, {info.backend})"),
        ("url", info.url),
        ("authority", info.ca_file),
        *(("instance", _shown(instance)) for instance in info.instances[0 if info.has_front else 1 :]),
        *(("worker", worker.name if worker.pid is None else f"pid {worker.pid}") for worker in info.workers),
        ("database", info.database_url),
        ("cache", info.redis_url),
        ("mail", info.smtp_url),
        ("mailbox", f"{info.mailbox_url}/messages" if info.mailbox_url else None),
        ("logs", f"{info.state_dir}/logs" if info.state_dir else None),
    )
    for label, value in lines:
        if value:
            echo(f"{label:<9} {value}")


def _shown(instance: Instance) -> str:
    """Its URL, with its pid where it runs as a process of this machine."""
    return instance.url if instance.pid is None else f"{instance.url} (pid {instance.pid})"
