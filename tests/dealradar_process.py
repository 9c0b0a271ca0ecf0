"""DealRadar as a process of a test: its settings, its commands, its logs."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from harness.model import StackInfo
from harness.pytest_plugin.polling import eventually as wait_until

SERVICE = Path(__file__).resolve().parents[1] / "service"
USER, OPERATOR = "user@dealradar.test", "operator@dealradar.test"
PASSWORD = "a password of the tests"
KEY = "a key that only the tests of this project use"
DEADLINE_SECONDS = 20.0
_clients = itertools.count(1)


@dataclass(frozen=True)
class Running:
    """A process of the service."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path
    clients: list[httpx.Client] = field(default_factory=list)

    def log(self) -> str:
        """All that it has written so far."""
        return self.log_file.read_text()

    def terminate(self) -> int:
        """Ask it to end, and give its exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    def client(self, email: str = "", **settings) -> httpx.Client:
        """A client of its own address, logged in if there is an e-mail address; closed when the process is ended."""
        number = next(_clients)
        address = f"10.7.{number // 250 % 250}.{number % 250}"
        client = httpx.Client(
            base_url=self.url, headers={"X-Forwarded-For": address}, trust_env=False, timeout=15, **settings
        )
        self.clients.append(client)
        if email:
            answer = client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
            client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        return client


def eventually(
    holds: Callable[[], object], explain: Callable[[], str] = str, seconds: float = DEADLINE_SECONDS
) -> None:
    """Wait until something holds; fail, with an explanation, if it does not within the deadline."""
    wait_until(holds, "what was waited for\n", seconds=seconds, explain=explain)


def environment(servers: StackInfo, database_url: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a test stack, with changes."""
    return {
        "PATH": os.environ["PATH"],
        "LOGNAME": "tests",
        "ENVIRONMENT": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": servers.redis_url or "",
        "SMTP_URL": servers.smtp_url or "",
        "SECRET_KEY": KEY,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "TRUSTED_PROXIES": "127.0.0.1/32",
        **settings,
    }


def run_command(command: str, environ: Mapping[str, str], *arguments: str, expect: int = 0) -> str:
    """Run one of the service's commands to its end, and give what it wrote."""
    ended = subprocess.run(
        [sys.executable, "-m", "dealradar", command, *arguments],
        cwd=SERVICE,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == expect, ended.stderr
    return ended.stdout + ended.stderr


def is_up(running: Running, command: str) -> bool:
    """Whether a process is ready; it has to live in any case."""
    assert running.process.poll() is None, f"`{command}` ended: {running.log()}"
    if command != "serve":
        return f"{command} started" in running.log()
    try:
        return httpx.get(running.url + "/health/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def superuser_url(servers: StackInfo) -> str:
    """Of the role that may make databases."""
    parts = urlsplit(servers.database_url or "")
    return urlunsplit(
        parts._replace(netloc=f"postgres:{servers.secrets['postgres_superuser']}@{parts.netloc.split('@')[1]}")
    )


def on_database(url: str, name: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
