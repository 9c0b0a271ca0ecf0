"""Running targets: how fixtures start one of their own, open the session's, and reach its servers."""

from harness.pytest_plugin.session import teach as teach_secrets
from harness.runner.artifacts import keep_logs
from harness.stack import Stack, launch, open_stack
from harness.stack.servers.clients import connect_cache
from harness.stack.servers.postgres import COPY_OF_PREPARED, MAINTENANCE, SUPERUSER
from harness.stack.settings import base_environment

__all__ = [
    "COPY_OF_PREPARED",
    "MAINTENANCE",
    "SUPERUSER",
    "Stack",
    "base_environment",
    "connect_cache",
    "keep_logs",
    "launch",
    "open_stack",
    "teach_secrets",
]
