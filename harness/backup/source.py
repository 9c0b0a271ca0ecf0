"""The server that a backup is taken of, and the programs that can take it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from harness.backup.manifest import Server
from harness.errors import StackError, UsageError
from harness.model import StackInfo
from harness.stack.servers.binaries import Program, postgres_programs
from harness.stack.servers.postgres import SUPERUSER
from harness.stack.supervisor.process import MARK

if TYPE_CHECKING:
    import psycopg

_NUMBER = re.compile(r"\d+")
BASE = ("pg_basebackup", "pg_receivewal")
DUMP = ("pg_dump", "pg_restore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A database, and a superuser of its server."""

    host: str
    port: int
    password: str
    database: str
    stack: str = ""
    """Id of the stack."""
    user: str = SUPERUSER

    def connect(self, **options: Any) -> psycopg.Connection[Any]:  # noqa: ANN401 - psycopg's own
        """A connection in autocommit. Raises StackError where the server does not let us in."""
        import psycopg

        try:
            return psycopg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=self.database,
                autocommit=True,
                connect_timeout=5,
                **options,
            )
        except psycopg.OperationalError as error:
            raise StackError(f"the database does not let us in: {str(error).splitlines()[0]}") from error

    @property
    def environment(self) -> Mapping[str, str]:
        """What Postgres's own programs read."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGCONNECT_TIMEOUT": "5",
        }


@dataclass(frozen=True, slots=True)
class Programs:
    """Postgres's programs on this machine."""

    postgres: Program
    major: int

    def path(self, name: str) -> str:
        """Of one of them."""
        return str(self.postgres.path.with_name(name))

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those that are not there."""
        return tuple(name for name in names if not os.access(self.path(name), os.X_OK))


def source_of(info: StackInfo) -> Source:
    """The database of a stack. Raises UsageError that says what is missing where we did not start it."""
    if info.database_url is None:
        what = "has no database" if info.owned else "is none of ours: the address of its database is not known"
        raise UsageError(f"no backup: the stack {what}; `harness up` starts one whose database can be backed up")
    password = info.secrets.get("postgres_superuser")
    if password is None:
        raise UsageError("no backup: a superuser of the database is needed, and this stack's is not known")
    url = urlsplit(info.database_url)
    return Source(
        host=url.hostname or "",
        port=url.port or 5432,
        password=password,
        database=unquote(url.path.removeprefix("/")),
        stack=info.settings.get(MARK, ""),
    )


def find_programs() -> Programs:
    """Those of the wheel. Raises StackError where there are none."""
    program = postgres_programs()
    said = subprocess.run([str(program.path), "--version"], capture_output=True, text=True, check=False).stdout
    found = _NUMBER.search(said)
    if found is None:
        raise StackError(f"{program.path}: does not say its version, but {said[:60]!r}")
    return Programs(program, int(found[0]))


def read_server(source: Source, connection: psycopg.Connection[Any]) -> Server:
    """Which server it is."""
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1").fetchall()
    return Server(
        system=row[0] if row else "",
        stack=source.stack,
        version=connection.info.server_version,
        superuser=source.user,
        roles=tuple(name for (name,) in roles),
    )


def why_no_base(source: Source, connection: psycopg.Connection[Any], programs: Programs) -> str:
    """What keeps the server's files from being copied as they are; "" where nothing does."""
    missing = programs.missing(BASE)
    major = connection.info.server_version // 10000
    if missing:
        return f"this machine has no {', '.join(missing)}"
    if major != programs.major:
        return f"the server is Postgres {major}, the programs here are {programs.major}"
    spaces = connection.execute("SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_'").fetchone()
    if spaces is not None:
        return f"tablespace {spaces[0]} lies outside of the server's folder"
    try:
        source.connect(replication="true").close()
    except StackError as error:
        return f"no replication: {error.what}"
    return ""
