"""The servers of a Docker stack as containers, and how each is seen to be ready, from this machine.

Their ports are published on 127.0.0.1 alone. Passwords are random: in the environment (Postgres, as its image wants it)
or in a file inside the container (Valkey).
"""

from __future__ import annotations

import importlib.metadata
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.machine.extras import install_line
from harness.stack.docker.containers import Container, Containers
from harness.stack.docker.engine import DockerEngine
from harness.stack.docker.images import find_image
from harness.stack.ports import HOST
from harness.stack.readiness import Ping, page_problem, tail, wait_until
from harness.stack.servers.pgwire import DatabaseError, literal, query_problem, run_statements
from harness.stack.servers.postgres import DATABASE, OPTIONS, ROLE, SUPERUSER
from harness.stack.servers.valkey import SETTINGS, ping_problem

_SECONDS = 60.0
"""A container's server has longer than a process: it initialises its data folder anew each time."""
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container; only 127.0.0.1 of this machine leads to it
_NOT_ROOT = "65534:65534"
_DATA = "/harness/data"
"""Where no image declares a volume."""
_SMTP, _MAILBOX, _PEER = 2525, 8025, 8080
_MAIL_SERVER = Path(__file__).parents[1] / "servers" / "mail_server.py"
_UNTRUSTED_PEER = Path(__file__).with_name("untrusted_peer.py")
_SINK_PACKAGES = ("aiosmtpd", "atpublic", "attrs")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedServer:
    """A server in a container: where it is reached from inside the network and from here, and when it is ready."""

    name: str
    inside: str
    outside: str
    ping: Ping
    extra: str = ""
    """Postgres: the superuser's password. The mail sink: its mailbox's URL."""


def await_ready(started: StartedServer, exit_status: Callable[[str], int | None], log: Path) -> None:
    """Wait until it answers. Raises StackError with the log's tail if it exits or does not."""
    wait = wait_until(started.ping, lambda: exit_status(started.name), _SECONDS)
    if not wait.ready:
        raise StackError(
            f"container {started.name} {wait.failure()} after {wait.seconds:.1f} s; its log says why", output=tail(log)
        )


def start_postgres(engine: DockerEngine, containers: Containers) -> StartedServer:
    """A Postgres with a fresh data folder, and a role of its own for the service.

    Its data lies in the container, not in memory: that would be lost when it is ended and started again.
    """
    superuser, password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    inside_only = ("listen_addresses", "unix_socket_directories")
    options = [word for key, value in OPTIONS.items() if key not in inside_only for word in ("-c", f"{key}={value}")]
    container = Container(
        name="postgres",
        image=find_image(engine, "postgres"),
        command=("postgres", *options),
        environment={
            "POSTGRES_USER": SUPERUSER,
            "POSTGRES_PASSWORD": superuser,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_INITDB_ARGS": "--no-sync --locale=C --encoding=UTF8 --wal-segsize=1",
            "PGDATA": f"{_DATA}/postgres",
            "TZ": "UTC",
        },
        folders=(_DATA,),
    )
    (port,) = containers.run_published(container, (5432,))
    statements = (
        f"CREATE ROLE {ROLE} LOGIN PASSWORD {literal(password)}",
        f"ALTER DATABASE {DATABASE} OWNER TO {ROLE}",
    )

    def ping() -> str | None:
        problem = query_problem(port, SUPERUSER, superuser, DATABASE)
        if problem is not None:
            return problem
        try:
            run_statements(port, SUPERUSER, superuser, DATABASE, statements, 30.0)
        except (OSError, DatabaseError) as error:
            raise StackError(f"a fresh Postgres in a container refuses: {error}") from error
        return None

    login = f"postgresql://{ROLE}:{password}@"
    return StartedServer(
        name="postgres",
        inside=f"{login}postgres:5432/{DATABASE}",
        outside=f"{login}{HOST}:{port}/{DATABASE}",
        ping=ping,
        extra=superuser,
    )


def start_valkey(engine: DockerEngine, containers: Containers) -> StartedServer:
    """A Valkey without persistence, with a password."""
    password, settings = secrets.token_urlsafe(18), "/harness/valkey.conf"
    words = {**SETTINGS, "bind": _EVERYWHERE, "requirepass": password}
    container = Container(
        name="valkey",
        image=find_image(engine, "valkey"),
        command=("valkey-server", settings),
        files={settings: "".join(f"{key} {value}\n" for key, value in words.items()).encode()},
    )
    (port,) = containers.run_published(container, (6379,))
    return StartedServer(
        name="valkey",
        inside=f"redis://:{password}@valkey:6379/0",
        outside=f"redis://:{password}@{HOST}:{port}/0",
        ping=lambda: ping_problem(port, password),
    )


def start_mail(engine: DockerEngine, containers: Containers) -> StartedServer:
    """The mail sink, with the packages that it needs copied in: an image of Python is enough."""
    program, token = "/harness/mail_server.py", secrets.token_urlsafe(18)
    container = Container(
        name="smtp",
        image=find_image(engine, "python"),
        argv=("python3", program, str(_SMTP), str(_MAILBOX), _EVERYWHERE),
        environment={"PYTHONPATH": "/harness/packages", "PYTHONDONTWRITEBYTECODE": "1", "MAILBOX_TOKEN": token},
        files={program: _MAIL_SERVER.read_bytes(), **_packages("/harness/packages")},
        user=_NOT_ROOT,
    )
    smtp, mailbox = containers.run_published(container, (_SMTP, _MAILBOX))
    return StartedServer(
        name="smtp",
        inside=f"smtp://smtp:{_SMTP}",
        outside=f"smtp://{HOST}:{smtp}",
        ping=lambda: page_problem(HOST, mailbox, f"/{token}/messages"),
        extra=f"http://{HOST}:{mailbox}/{token}",
    )


def start_peer(engine: DockerEngine, containers: Containers, service: str, port: int) -> StartedServer:
    """A peer that the service does not trust: what is sent to it reaches the service from its address."""
    program = "/harness/untrusted_peer.py"
    container = Container(
        name="peer",
        image=find_image(engine, "python"),
        argv=("python3", program, str(_PEER), service, str(port)),
        files={program: _UNTRUSTED_PEER.read_bytes()},
        user=_NOT_ROOT,
    )
    (outside,) = containers.run_published(container, (_PEER,))
    return StartedServer(
        name="peer", inside=f"http://peer:{_PEER}", outside=f"http://{HOST}:{outside}", ping=lambda: None
    )


def _packages(place: str) -> dict[str, bytes]:
    """The sources of the mail sink's packages, all pure Python, by path inside the container."""
    files: dict[str, bytes] = {}
    for name in _SINK_PACKAGES:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as error:
            raise StackError(f"package {name} is not installed; install it: {install_line('embedded')}") from error
        for path in distribution.files or ():
            if path.suffix == ".py" and ".." not in path.parts:
                files[f"{place}/{path}"] = Path(str(distribution.locate_file(path))).read_bytes()
    return files
