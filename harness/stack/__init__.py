"""Stacks: a running target with the servers it needs.

`launch` starts one, `attach_name` and `open_stack` open one of ours, `attach_url` somebody else's service. All give a
`Stack`, a context manager that leaves nothing behind.
"""

from harness.config.service_url import checked_url
from harness.stack.attach import attach_url
from harness.stack.build import commit_of
from harness.stack.launcher import launch, open_stack
from harness.stack.liveness import health_problem
from harness.stack.named import (
    Mode,
    all_stacks,
    attach_name,
    bring_down,
    bring_up,
    find_stack,
)
from harness.stack.permissions import Permissions, Refusal
from harness.stack.protocol import Stack

__all__ = [
    "Mode",
    "Permissions",
    "Refusal",
    "Stack",
    "all_stacks",
    "attach_name",
    "attach_url",
    "bring_down",
    "bring_up",
    "checked_url",
    "commit_of",
    "find_stack",
    "health_problem",
    "launch",
    "open_stack",
]
