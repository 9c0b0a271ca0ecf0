"""Postgres of a stack: a data folder initialised once, cloned for every stack, served in the foreground.

The cached folder already holds the role and the database `app`; a clone only gets new passwords.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.stack.ports import HOST, free_port
from harness.stack.readiness import describe_exit, tail, wait_until
from harness.stack.servers.binaries import Account, Program, cache_home, made_once, start_program
from harness.stack.servers.data_cache import CachedData, clone_folder
from harness.stack.servers.pgwire import DatabaseError, literal, query_problem, run_statements
from harness.stack.supervisor.client import Order, Supervision

SUPERUSER, ROLE, DATABASE = "postgres", "app", "app"
MAINTENANCE = "template1"
"""The database to connect to for work on other databases; there is none named `postgres`."""
PREPARED = "app_prepared"
"""Name of the kept database; nobody can connect to it, so that it can be copied at any time."""
COPY_OF_PREPARED = f"OWNER {ROLE} TEMPLATE {PREPARED} STRATEGY FILE_COPY"
"""What makes a database of a test's own, behind CREATE DATABASE and its name.

Files are copied as they are: through the log, as is usual, 18 MB take three times as long.
"""
LAYOUT = "3"
"""Part of the cached folder's name; changes with what is done to it here."""
_SECONDS = 15.0
_COPY_SECONDS = 30.0
OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    # throw-away data: nothing needs to survive a crash of the machine; what was committed survives a killed server
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "max_connections": "200",
    # in the data folder, not in /dev/shm, where a killed server would leave it
    "dynamic_shared_memory_type": "mmap",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Template:
    """A cached data folder, with the password of its superuser."""

    data: Path
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A Postgres that was started; `finish` makes it ready."""

    port: int
    data: Path
    log: Path
    password: str
    """The superuser's, as long as `finish` has not changed it."""
    supervision: Supervision
    prepared: bool
    """Whether its data was kept by an earlier stack."""

    def finish(self) -> tuple[str, str]:
        """Wait until it answers, and give it passwords of its own; returns the role's URL and the superuser's password.

        Raises StackError with the log's tail if it exits or does not answer.
        """
        password, superuser = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self._await(
            self.password,
            f"ALTER ROLE {ROLE} PASSWORD {literal(password)}",
            # only we use this one: random as it is, its log-in need not be made slow; 2 ms of every test's database
            "SET scram_iterations = 1",
            f"ALTER ROLE {SUPERUSER} PASSWORD {literal(superuser)}",
        )
        return f"postgresql://{ROLE}:{password}@{HOST}:{self.port}/{DATABASE}", superuser

    def cache_data(self, cached: CachedData, superuser: str) -> None:
        """Keep its data as it is now, for which it is ended and started again.

        Raises NotCachedError if the data could not be kept, StackError if it does not answer afterwards.
        """
        self.supervision.stop("postgres")
        try:
            cached.store(self.data, self.log.parent, superuser, self.supervision)
        finally:
            self.supervision.start_again("postgres")
            self._await(superuser)

    def _await(self, password: str, *statements: str) -> None:
        wait = wait_until(
            lambda: query_problem(self.port, SUPERUSER, password, DATABASE, statements),
            lambda: self.supervision.exit_status("postgres"),
            _SECONDS,
        )
        if not wait.ready:
            raise StackError(
                f"Postgres {wait.failure()} after {wait.seconds:.1f} s; its log says why", output=tail(self.log)
            )


def start_postgres(
    program: Program,
    data: Path,
    log: Path,
    account: Account | None,
    supervision: Supervision,
    cached: CachedData | None = None,
) -> Postgres:
    """Clone the folder that is kept, or else the cached one, to `data` and start a server on it, at a free port."""
    password = cached.clone(data, log.parent) if cached is not None else None
    prepared = password is not None
    if password is None:
        template = _template(program, account, supervision)
        clone_folder(template.data, data)
        password = template.password
    port = free_port()
    start_program(supervision, server_order(program, data, log, account, {**OPTIONS, "port": str(port)}))
    return Postgres(port=port, data=data, log=log, password=password, supervision=supervision, prepared=prepared)


def fresh_data(program: Program, data: Path, account: Account | None, supervision: Supervision) -> None:
    """Clone the data folder of an empty server to `data`."""
    clone_folder(_template(program, account, supervision).data, data)


def copy_prepared(port: int, superuser: str) -> None:
    """Copy the database before anything of the service is connected to it: later it could not be copied.

    Raises StackError if the server refuses, as it does while something that `prepare` left is connected.
    """
    statements = (
        f"CREATE DATABASE {PREPARED} OWNER {ROLE} TEMPLATE {DATABASE} STRATEGY FILE_COPY",
        f"ALTER DATABASE {PREPARED} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false",
    )
    try:
        run_statements(port, SUPERUSER, superuser, MAINTENANCE, statements, _COPY_SECONDS)
    except (OSError, DatabaseError) as error:
        raise StackError(f"the prepared database could not be kept for tests: {error}") from error


def restore_prepared(port: int, superuser: str) -> None:
    """Put the database back as `copy_prepared` found it; whoever is connected is cut off.

    Raises StackError if the server refuses, as it does where nothing was kept.
    """
    statements = (f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE} {COPY_OF_PREPARED}")
    try:
        run_statements(port, SUPERUSER, superuser, MAINTENANCE, statements, _COPY_SECONDS)
    except (OSError, DatabaseError) as error:
        raise StackError(f"the database could not be put back as it was prepared: {error}") from error


def server_order(
    program: Program, data: Path, log: Path, account: Account | None, options: Mapping[str, str], name: str = "postgres"
) -> Order:
    """What starts a server on that data, with those options and no others but its files'."""
    words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
    return _order(name, (str(program.path), "-D", str(data), *words), log, account)


def _order(name: str, argv: tuple[str, ...], log: Path, account: Account | None) -> Order:
    return Order(
        name=name,
        argv=argv,
        # its own locale, whatever the caller's
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        log=log,
        user=account.uid if account else None,
        group=account.gid if account else None,
        stop="INT",
        death="QUIT",
    )


def _template(program: Program, account: Account | None, supervision: Supervision) -> Template:
    """The cached folder for this version; two processes that need it at once make it once."""
    place = cache_home(account) / f"data-{program.key}-{LAYOUT}-{account.uid if account else os.geteuid()}"
    if not place.is_dir():
        with made_once(place):
            if not place.is_dir():
                _make_template(place, program, account, supervision)
    return Template(place / "data", (place / "password").read_text(encoding="ascii"))


def _make_template(place: Path, program: Program, account: Account | None, supervision: Supervision) -> None:
    aside = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    supervision.own_folder(aside)
    aside.chmod(0o711)
    work = aside / "work"
    work.mkdir(mode=0o700)
    password, log = secrets.token_urlsafe(18), aside / "log"
    first_password = work / "password"
    first_password.touch(mode=0o600)
    first_password.write_text(password, encoding="ascii")
    if account is not None:
        for path in (work, first_password):
            os.chown(path, account.uid, account.gid)
    words = ("--no-sync", "--locale=C", "-E", "UTF8", "-A", "scram-sha-256", "-U", SUPERUSER, "--wal-segsize=1")
    initdb = (str(program.path.with_name("initdb")), "-D", str(work / "data"), *words, f"--pwfile={first_password}")
    start_program(supervision, _order("initdb", initdb, log, account))
    status = supervision.wait("initdb", 60.0)
    if status != 0:
        how = "does not end" if status is None else describe_exit(status)
        raise StackError(f"initdb {how}: {initdb[0]}; its output says why", output=tail(log))
    _make_database(program, work / "data", password, log, account, supervision)
    first_password.unlink()
    (work / "data").rename(aside / "data")
    work.rmdir()
    log.unlink()
    secret = aside / "password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="ascii")
    aside.rename(place)


def _make_database(
    program: Program, data: Path, password: str, log: Path, account: Account | None, supervision: Supervision
) -> None:
    port = free_port()
    options = {**OPTIONS, "port": str(port)}
    start_program(supervision, server_order(program, data, log, account, options, "postgres-template"))
    wait = wait_until(
        lambda: query_problem(port, SUPERUSER, password, MAINTENANCE),
        lambda: supervision.exit_status("postgres-template"),
        _SECONDS,
    )
    if not wait.ready:
        said = f"a fresh Postgres {wait.failure()} after {wait.seconds:.1f} s; its log says why"
        raise StackError(said, output=tail(log))
    statements = (
        f"CREATE ROLE {ROLE} LOGIN",
        # renamed, not made: each database is 300 files to copy for every stack
        f"ALTER DATABASE postgres RENAME TO {DATABASE}",
        f"ALTER DATABASE {DATABASE} OWNER TO {ROLE}",
        "CHECKPOINT",
    )
    try:
        run_statements(port, SUPERUSER, password, MAINTENANCE, statements, 30.0)
    except (OSError, DatabaseError) as error:
        raise StackError(f"a fresh Postgres refuses: {error}", output=tail(log)) from error
    supervision.stop("postgres-template")
