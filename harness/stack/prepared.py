"""The stack's database as `prepare` left it, kept aside: what databases of a test's own are made from."""

from __future__ import annotations

from urllib.parse import urlsplit

from harness.errors import StackError
from harness.model import StackInfo
from harness.stack.pgwire import DatabaseError, run_statements
from harness.stack.postgres import DATABASE, MAINTENANCE, ROLE, SUPERUSER

PREPARED = "app_prepared"
"""Name of the kept database; nobody can connect to it, so that it can be copied at any time."""
COPY_OF_PREPARED = f"OWNER {ROLE} TEMPLATE {PREPARED} STRATEGY FILE_COPY"
"""What makes a database of a test's own, behind CREATE DATABASE and its name.

Files are copied as they are: through the log, as is usual, 18 MB take three times as long.
"""
_SECONDS = 30.0


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
