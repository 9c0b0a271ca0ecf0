"""A stack as `up` and `status` print it (docs/commands.md#documents-on-standard-output)."""

from __future__ import annotations

import json

from harness.cli.terminal import echo, echo_json
from harness.model import Instance, StackInfo


def stack_document(name: str, info: StackInfo | None) -> dict[str, object]:
    """The document of `up --json` and `status --json`; `"backend": null` where nothing runs."""
    return {
        "name": name,
        "backend": info.backend if info else None,
        "url": info.url if info else None,
        "database_url": info.database_url if info else None,
        "redis_url": info.redis_url if info else None,
        "smtp_url": info.smtp_url if info else None,
        "mailbox_url": info.mailbox_url if info else None,
        "ca_file": (info.ca_file or None) if info else None,
        "instances": [{"url": instance.url, "pid": instance.pid} for instance in info.instances] if info else [],
        "workers": [{"pid": worker.pid} for worker in info.workers] if info else [],
    }


def print_stack(info: StackInfo, *, as_json: bool) -> None:
    """Print where a running stack is reached."""
    if as_json:
        echo_json(json.dumps(stack_document(info.name, info)))
        return
    lines = [("stack", f"{info.name} ({info.target}, {info.backend})"), ("url", info.url)]
    if info.ca_file:
        lines.append(("authority", info.ca_file))
    lines += [("instance", _shown(instance)) for instance in info.instances[0 if info.has_front else 1 :]]
    lines += [("worker", worker.name if worker.pid is None else f"pid {worker.pid}") for worker in info.workers]
    servers = (
        ("database", info.database_url),
        ("cache", info.redis_url),
        ("mail", info.smtp_url),
        ("mailbox", f"{info.mailbox_url}/messages" if info.mailbox_url else None),
    )
    lines += [(label, value) for label, value in servers if value]
    if info.state_dir:
        lines.append(("logs", f"{info.state_dir}/logs"))
    for label, value in lines:
        echo(f"{label:<9} {value}")


def _shown(instance: Instance) -> str:
    """Its URL, with its pid where it runs as a process of this machine."""
    return instance.url if instance.pid is None else f"{instance.url} (pid {instance.pid})"
