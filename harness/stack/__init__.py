"""Stacks: a running target with the servers it needs.

`launch` starts one, `attach_name` and `open_stack` open one of ours, `attach_url` somebody else's service. All give a
`Stack`, a context manager that leaves nothing behind.
"""

from harness.config.service_url import checked_url
from harness.stack.attach import attach_url
from harness.stack.build import commit_of, identify_build
from harness.stack.launcher import detach, launch, open_stack
from harness.stack.named import (
    Mode,
    all_stacks,
    attach_name,
    bring_down,
    bring_up,
    find_stack,
    running_same,
    target_of,
    unhealthy,
)
from harness.stack.permissions import allowed, is_loopback
from harness.stack.protocol import Stack
from harness.stack.supervisor.registry import connect_lines

__all__ = [
    "Mode",
    "Stack",
    "all_stacks",
    "allowed",
    "attach_name",
    "attach_url",
    "bring_down",
    "bring_up",
    "checked_url",
    "commit_of",
    "connect_lines",
    "detach",
    "find_stack",
    "identify_build",
    "is_loopback",
    "launch",
    "open_stack",
    "running_same",
    "target_of",
    "unhealthy",
]
