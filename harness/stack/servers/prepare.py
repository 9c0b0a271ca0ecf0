"""Preparing a stack's database, and a copy of it as it then is: what databases of a test's own are made from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from harness.errors import StackError
from harness.model import Listener, Noted, Service, StackAdvanced, StackInfo
from harness.stack.running import RunningStack
from harness.stack.servers.pgwire import DatabaseError, run_statements
from harness.stack.servers.postgres import DATABASE, MAINTENANCE, ROLE, SUPERUSER

PREPARED = "app_prepared"
"""Name of the kept database; nobody can connect to it, so that it can be copied at any time."""
COPY_OF_PREPARED = f"OWNER {ROLE} TEMPLATE {PREPARED} STRATEGY FILE_COPY"
"""What makes a database of a test's own, behind CREATE DATABASE and its name.

Files are copied as they are: through the log, as is usual, 18 MB take three times as long.
"""
_SECONDS = 30.0


def prepare(
    stack: RunningStack, service: Service, settings: Mapping[str, str], listen: Listener, *, prepared: bool
) -> None:
    """Run the profile's commands before the service starts: those of `prepare_cached` only if nothing was kept.

    Raises StartupError for one that fails; nothing is kept then.
    """
    begun = time.monotonic()
    if service.prepare_cached or service.prepare:
        listen(StackAdvanced("preparing the service's data"))
    if service.prepare_cached and not prepared:
        stack.prepare("prepare_cached", service.prepare_cached, settings)
        stack.update(pids={**stack.info.pids, **stack.backend.keep_prepared(listen)})
    stack.prepare("prepare", service.prepare, settings)
    if service.prepare_cached or service.prepare:
        stack.update(timings={**stack.info.timings, "prepare": time.monotonic() - begun})
    if stack.info.database_url is not None:
        try:
            keep_prepared(stack.info)
        except StackError as error:
            # without it the stack is as good as with it; only tests that want a database of their own are skipped
            listen(Noted(error.message))


def keep_prepared(info: StackInfo) -> None:
    """Copy the database before anything of the service is connected to it: later it could not be copied.

    Raises StackError if the server refuses, as it does while something that `prepare` left is connected.
    """
    statements = (
        f"CREATE DATABASE {PREPARED} OWNER {ROLE} TEMPLATE {DATABASE} STRATEGY FILE_COPY",
        f"ALTER DATABASE {PREPARED} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false",
    )
    try:
        port = urlsplit(info.database_url or "").port or 0
        run_statements(port, SUPERUSER, info.secrets["postgres_superuser"], MAINTENANCE, statements, _SECONDS)
    except (OSError, DatabaseError) as error:
        raise StackError(f"the prepared database could not be kept for tests: {error}") from error
