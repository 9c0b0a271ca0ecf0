"""What this machine has of what backends and suites need, each with the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.errors import HarnessError, StackError
from harness.machine.bundle import in_checkout
from harness.machine.extras import install_line
from harness.machine.lock import MachineLock
from harness.preflight.checks.machine import LEAST_FILES, LEAST_FREE_MIB, open_files_allowed
from harness.preflight.programs import node
from harness.probes.address import AddressBook
from harness.probes.axe import PACKAGED, find_axe
from harness.probes.chromium import USUAL_PLACES, Places, find_chromium
from harness.report import allure
from harness.stack.ports import free_port
from harness.stack.servers.binaries import postgres_programs, servers_account, valkey_program
from harness.stack.servers.data_cache import describe_cache

LEAST_PYTHON = (3, 11)
PARTS = {
    "embedded": "stack embedded",
    "docker": "stack docker",
    "attach": "stack attach",
    "tls": "stacks behind TLS (--tls)",
    "browser": "suites with pages",
    "preflight": "preflight of scripts and Handlebars",
    "load": "suite load, command load",
    "allure": "the Allure report",
}
"""What tools are needed for; everything needs those of `all`."""

_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One thing that is needed: `mend` is "" where it is there."""

    name: str
    part: str
    """Which of `PARTS` needs it; "all" for everything."""
    ok: bool
    found: str
    mend: str = ""


class _MissingError(Exception):
    """Something is not there or does not work; the message says what was found, `mend` the command."""

    def __init__(self, found: str, mend: str) -> None:
        super().__init__(found)
        self.mend = mend


def survey(chromium: str | None = None, places: Places = USUAL_PLACES) -> tuple[Tool, ...]:
    """Look at everything. `chromium` is what HARNESS_CHROMIUM says, `places` is where browsers are looked for."""
    looks: Iterable[tuple[str, str, Callable[[], str]]] = (
        ("Python", "all", _python),
        ("temporary folder", "all", _temporary_folder),
        ("disk", "all", _disk),
        ("open files", "all", _open_files),
        ("turns and client addresses", "all", _shared_files),
        ("httpx", "attach", lambda: _package("httpx", "all")),
        ("servers' user", "embedded", _servers_user),
        ("PostgreSQL", "embedded", lambda: _program(lambda: postgres_programs().path)),
        ("Valkey", "embedded", lambda: _program(lambda: valkey_program().path)),
        ("mail sink", "embedded", lambda: _package("aiosmtpd", "embedded")),
        ("free port", "embedded", _port),
        ("prepared data", "embedded", lambda: describe_cache(servers_account())),
        ("Docker client", "docker", lambda: _package("docker", "docker")),
        ("Docker daemon", "docker", _docker_daemon),
        ("trustme", "tls", lambda: _package("trustme", "tls")),
        ("Playwright", "browser", lambda: _package("playwright", "browser")),
        ("Chromium", "browser", lambda: _chromium(chromium, places)),
        ("axe-core", "browser", _axe),
        ("Node and parsers", "preflight", _parsers),
        ("Locust", "load", lambda: _package("locust", "load")),
        ("Node and Allure", "allure", _allure),
    )
    return tuple(_look(name, part, look) for name, part, look in looks)


def works(tools: Iterable[Tool], part: str) -> bool:
    """Can that part be used: is everything there that it, and everything, needs?"""
    return all(tool.ok for tool in tools if tool.part in (part, "all"))


def _look(name: str, part: str, look: Callable[[], str]) -> Tool:
    try:
        return Tool(name=name, part=part, ok=True, found=look())
    except _MissingError as missing:
        return Tool(name=name, part=part, ok=False, found=str(missing), mend=missing.mend)
    except HarnessError as error:
        return Tool(name=name, part=part, ok=False, found=error.what, mend=error.mend or install_line("all"))


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < LEAST_PYTHON:
        raise _MissingError(version, "install Python 3.11 or newer, then make setup")
    return f"{version}, {sys.executable}"


def _package(name: str, extra: str) -> str:
    if importlib.util.find_spec(name) is None:
        raise _MissingError("not installed", install_line(extra))
    return f"{name} {metadata.version(name)}"


def _temporary_folder() -> str:
    folder = Path(tempfile.gettempdir())
    try:
        with tempfile.NamedTemporaryFile(prefix="harness-doctor-"):
            pass
    except OSError as error:
        raise _MissingError(f"{folder}: {error.strerror}", f"chmod 1777 {folder}, or set TMPDIR") from error
    if servers_account() is not None and not folder.stat().st_mode & 0o001:
        raise _MissingError(f"{folder} is closed to the servers' user", f"chmod 1777 {folder}, or set TMPDIR")
    return str(folder)


def _disk() -> str:
    places = {str(place): shutil.disk_usage(place).free // 2**20 for place in (Path.cwd(), Path(tempfile.gettempdir()))}
    place, free = min(places.items(), key=lambda pair: pair[1])
    if free < LEAST_FREE_MIB:
        raise _MissingError(f"{free} MiB free at {place}", f"free {LEAST_FREE_MIB} MiB (make clean, harness down)")
    return f"{free} MiB free at least"


def _open_files() -> str:
    allowed = open_files_allowed()
    if allowed < LEAST_FILES:
        raise _MissingError(f"{allowed:g} a process", f"ulimit -n {LEAST_FILES}")
    return f"{allowed:g} a process"


def _shared_files() -> str:
    """Both are shared by all users of the machine, whose leftovers may be in the way. No turn is waited for."""
    AddressBook().fresh_number()
    turns = MachineLock().folder
    for place in (turns / "turn", turns / "gate"):
        if place.exists() and not os.access(place, os.R_OK):
            raise _MissingError(f"{place} cannot be read", f"remove {turns} as its owner or as root")
    if turns.is_dir() and not os.access(turns, os.W_OK | os.X_OK):
        raise _MissingError(f"{turns} cannot be written", f"chmod 1777 {turns} as its owner or as root")
    return f"{turns} can be used"


def _servers_user() -> str:
    try:
        account = servers_account()
    except KeyError as error:
        raise _MissingError("no user `nobody`, and servers do not run as root", "useradd -r nobody") from error
    if account is None:
        return "yourself"
    _run_as_server(["/bin/sh", "-c", "exit 0"], "a process of nobody")
    return f"nobody ({account.uid})"


def _program(find: Callable[[], Path]) -> str:
    path = find()
    return _run_as_server([str(path), "--version"], path.name)


def _run_as_server(command: list[str], name: str) -> str:
    """What a command prints when the servers' user runs it."""
    account = servers_account()
    try:
        ran = subprocess.run(
            command,
            cwd="/",
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _MissingError(f"{name} does not start: {error}", install_line("embedded")) from error
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip().splitlines()
        raise _MissingError(f"{name} does not run: {said[-1] if said else ran.returncode}", install_line("embedded"))
    return str(ran.stdout).strip()


def _port() -> str:
    return f"{free_port()}, for one"


def _docker_daemon() -> str:
    if importlib.util.find_spec("docker") is None:
        raise _MissingError("cannot be asked without the client", install_line("docker"))
    from harness.stack.docker.engine import connect_engine, engine_errors

    try:
        engine = connect_engine(_TIMEOUT_S)
        try:
            with engine_errors("the Docker daemon"):
                return f"Docker {engine.client.version()['Version']}"
        finally:
            engine.close()
    except StackError as error:
        raise _MissingError(error.what, _docker_mend()) from error


def _docker_mend() -> str:
    if shutil.which("dockerd") is None:
        return "apt-get install docker.io (or Docker Desktop), or use --stack embedded"
    return "systemctl start docker, or dockerd as root; your user must be in the group docker"


def _chromium(named: str | None, places: Places) -> str:
    found = find_chromium(named, places)
    if found is None:
        raise _MissingError("no Chromium or Chrome", f"{install_line('browser')}, or playwright install chromium")
    return f"{found.executable} ({found.source})"


def _axe() -> str:
    found = find_axe(os.environ.get("HARNESS_AXE"))
    if found is None:
        mend = "make setup" if in_checkout() else f"npm install axe-core in {PACKAGED.parents[2]}"
        raise _MissingError("not installed; pages are not tested for accessibility", mend)
    return str(found)


def _parsers() -> str:
    if (missing := node.node_missing()) is not None:
        raise _MissingError(missing, "make setup" if in_checkout() else node.MEND)
    return str(node.PARSERS)


def _allure() -> str:
    missing = allure.allure_missing()
    if missing is not None:
        raise _MissingError(missing, allure.MEND)
    return "ready"
