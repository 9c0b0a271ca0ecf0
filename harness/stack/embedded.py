"""The embedded backend: real servers from wheels and the service itself, as children of the stack's supervisor."""

from __future__ import annotations

import os
import secrets as random_secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import StackError
from harness.machine.extras import lacking
from harness.model import Build, Listener, Noted, Target
from harness.stack.build import commit_of
from harness.stack.ports import HOST, free_port, is_free, occupied
from harness.stack.protocol import Servers, ServiceEndpoint
from harness.stack.readiness import page_problem, tail, wait_until
from harness.stack.servers.binaries import Account, postgres_programs, servers_account, valkey_program
from harness.stack.servers.data_cache import CachedData, NotCachedError, cached_data_for
from harness.stack.servers.fingerprint_sources import Sources
from harness.stack.servers.postgres import LAYOUT, Postgres, start_postgres
from harness.stack.servers.valkey import start_valkey
from harness.stack.settings import base_environment
from harness.stack.supervisor.client import Order, Signal, Supervision
from harness.stack.supervisor.process import owned_by
from harness.stack.supervisor.registry import Folders

_MAIL_PROGRAM = Path(__file__).parent / "servers" / "mail_server.py"
_MAIL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail server that was started: where it takes mails, where its mailbox is, and who that is for."""

    port: int
    mailbox_port: int
    token: str


class EmbeddedBackend:
    """Runs one stack's processes on this machine."""

    kind: Literal["embedded"] = "embedded"
    host = HOST

    def __init__(
        self, supervision: Supervision, folders: Folders, target: Target, sources: Sources | None = None
    ) -> None:
        self._supervision = supervision
        self._home = folders.home
        self._data = folders.data
        self._logs = folders.state / "logs"
        self._scratch = folders.state / "tmp"
        self._cwd = target.service.cwd
        self._sources = sources
        self._cached: CachedData | None = None
        self._postgres: Postgres | None = None
        self._superuser = ""
        self._ports: set[int] = set()
        self._account = servers_account()

    @property
    def build(self) -> Build:
        """The commit around the profile's folder."""
        return commit_of(Path(self._cwd))

    def start_servers(self, needs: tuple[str, ...]) -> Servers:
        """Start all that is needed before waiting for any."""
        begun = time.monotonic()
        supervision, account = self._supervision, self._account
        postgres = valkey = mail = None
        if "smtp" in needs:
            mail = self._start_mail()
        if "valkey" in needs:
            valkey = start_valkey(
                valkey_program(), self._server_folder("valkey", account), self.log("valkey"), account, supervision
            )
        if "postgres" in needs:
            postgres = self._start_postgres(account)
        values, secrets, timings = {"proxy": f"{HOST}/32"}, {}, {}
        if postgres is not None:
            values["database_url"], secrets["postgres_superuser"] = self._finish(postgres)
            timings["postgres"] = time.monotonic() - begun
        if valkey is not None:
            values["redis_url"] = valkey.finish()
            timings["valkey"] = time.monotonic() - begun
        if mail is not None:
            self._await_mail(mail)
            values["smtp_url"] = f"smtp://{HOST}:{mail.port}"
            secrets["mailbox_token"] = mail.token
            timings["smtp"] = time.monotonic() - begun
        return Servers(
            values=values,
            database_url=values.get("database_url"),
            redis_url=values.get("redis_url"),
            smtp_url=values.get("smtp_url"),
            mailbox_url=f"http://{HOST}:{mail.mailbox_port}/{mail.token}" if mail else None,
            secrets=secrets,
            timings=timings,
            pids=self._server_pids(),
            prepared=postgres is not None and postgres.prepared,
        )

    def cache_prepared(self, listen: Listener) -> Mapping[str, int]:
        """Keep the data folder, for which Postgres is started again."""
        if self._cached is not None and self._postgres is not None:
            try:
                self._postgres.cache_data(self._cached, self._superuser)
            except NotCachedError as error:
                listen(Noted(f"the prepared data is not kept for the next stack: {error}"))
        return self._server_pids()

    def choose_endpoint(self, wanted: int | None) -> ServiceEndpoint:
        """The wanted port if it is free, else one at random that no other copy of ours has."""
        if wanted is not None and not is_free(wanted):
            raise occupied(wanted)
        port = wanted if wanted is not None else free_port(frozenset(self._ports))
        self._ports.add(port)
        return ServiceEndpoint(port, f"http://{HOST}:{port}")

    def start(
        self,
        name: str,
        argv: tuple[str, ...],
        settings: Mapping[str, str],
        endpoint: ServiceEndpoint | None,  # noqa: ARG002
    ) -> int | None:
        """Start it in the profile's folder, as ourselves."""
        return self._supervision.spawn(
            Order(
                name=name,
                argv=argv,
                env={**base_environment(self._scratch), **settings},
                log=self.log(name),
                cwd=self._cwd,
                stage=2,
            )
        )

    def exit_status(self, name: str) -> int | None:
        """How that process ended; None while it runs."""
        return self._supervision.exit_status(name)

    def exit_status_of_all(self, name: str) -> int | None:
        """What is left of a process that ended well is taken for it."""
        status = self._supervision.exit_status(name)
        return None if status == 0 and self._supervision.adopt(name) else status

    def expect_heirs(self, name: str) -> None:
        """Through the supervisor, to which they fall."""
        self._supervision.adopt(name)

    def wait(self, name: str, seconds: float) -> int | None:
        """The same, waiting up to `seconds`."""
        return self._supervision.wait(name, seconds)

    def stop(self, name: str) -> None:
        """End that process and its group."""
        self._supervision.stop(name)

    def signal(self, name: str, signal: Signal) -> None:
        """Through the supervisor, its parent."""
        self._supervision.signal(name, signal)

    def halt(self, name: str) -> None:
        """The same as `stop`: what a process has written stays in its folder until the stack ends."""
        self._supervision.stop(name)

    def start_again(self, name: str) -> int:
        """By the order that it was started by."""
        return self._supervision.start_again(name)

    def identity(self, name: str) -> tuple[str, int]:
        """As this machine sees it."""
        return os.uname().nodename, self._supervision.pids[name]

    def pid(self, name: str) -> int:
        """As the supervisor knows it."""
        return self._supervision.pids[name]

    def processes(self, name: str) -> frozenset[int]:
        """As /proc has them."""
        pid = self._supervision.pids[name]
        roots = [pid] if self._supervision.exit_status(name) is None else []
        return frozenset(owned_by(self._supervision.mark, roots, name))

    def log(self, name: str) -> Path:
        """Its file under the state folder."""
        return self._logs / f"{name}.log"

    def close(self) -> None:
        """Nothing is held."""

    def _server_pids(self) -> Mapping[str, int]:
        return {name: pid for name, pid in self._supervision.pids.items() if name in ("postgres", "valkey", "smtp")}

    def _start_postgres(self, account: Account | None) -> Postgres:
        program = postgres_programs()
        if self._sources is not None:
            self._cached = cached_data_for(self._sources, f"{program.key}-{LAYOUT}", account)
        return start_postgres(
            program, self._data / "postgres", self.log("postgres"), account, self._supervision, self._cached
        )

    def _finish(self, postgres: Postgres) -> tuple[str, str]:
        try:
            url, self._superuser = postgres.finish()
        except StackError as error:
            if self._cached is None or not postgres.prepared:
                raise
            self._cached.forget()
            said = f"{error.message}; it was started on data kept from before, now removed: start again"
            raise StackError(said, output=error.output) from error
        self._postgres = postgres
        return url, self._superuser

    def _server_folder(self, name: str, account: Account | None) -> Path:
        folder = self._home / name
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        return folder

    def _start_mail(self) -> _Mail:
        missing = lacking("aiosmtpd", "embedded")
        if missing is not None:
            raise StackError(missing)
        port = free_port()
        mail = _Mail(port, free_port(frozenset({port})), random_secrets.token_urlsafe(18))
        self._supervision.spawn(
            Order(
                name="smtp",
                argv=(sys.executable, "-I", str(_MAIL_PROGRAM), str(mail.port), str(mail.mailbox_port)),
                env={**base_environment(self._scratch), "MAILBOX_TOKEN": mail.token},
                log=self.log("smtp"),
            )
        )
        return mail

    def _await_mail(self, mail: _Mail) -> None:
        wait = wait_until(
            lambda: page_problem(HOST, mail.mailbox_port, f"/{mail.token}/messages"),
            lambda: self._supervision.exit_status("smtp"),
            _MAIL_SECONDS,
        )
        if not wait.ready:
            raise StackError(
                f"the mail sink {wait.failure()} after {wait.seconds:.1f} s; its log says why",
                output=tail(self.log("smtp")),
            )
