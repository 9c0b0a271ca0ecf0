"""Where stacks keep their files, how one stack finds another, and what is cleared up after a supervisor was killed.

A stack has a *home*, a folder with an unguessable name for its servers' data, and a *state folder*, private to the
user, with `stack.json`, `recipe.json`, logs and scratch files: inside the home, or for a named stack under the user's
state folder. `keeper.json` in both says which supervisor answers for them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import StackError, UsageError
from harness.machine.decoding import Reader
from harness.model import StackInfo, Target
from harness.stack.supervisor.process import end_tree, is_alive, remove_folders

INFO, RECIPE, OWNER = "stack.json", "recipe.json", "keeper.json"
_PREFIX = "harness-"
_MEMORY_ROOM = 2 * 1024**3
"""Bytes that must be free in the memory's file system, and half of what must be free in memory."""
_FULL_BYTES = 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerRecord:
    """The supervisor that answers for a stack's folders; start time, boot and namespace tell it from a recycled pid."""

    mark: str
    pid: int
    start: int
    boot: str
    namespace: str
    folders: tuple[str, ...]
    fingerprint: str = ""
    """Digest of what the stack was started from: profile and build."""

    @property
    def alive(self) -> bool:
        """Whether that supervisor runs; one that cannot be seen from here counts as running."""
        if self.boot != boot_id():
            return False
        return not self.within_sight or is_alive(self.pid, self.start)

    @property
    def within_sight(self) -> bool:
        """Whether its pid means here what it meant there; in another container the same number is another process."""
        return self.namespace == _namespace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where one stack's files lie."""

    home: Path
    data: Path
    """The database's files; the home itself, or a folder in memory."""
    state: Path

    @property
    def outermost(self) -> tuple[Path, ...]:
        """What must be removed at the end, without what lies inside another one."""
        return tuple(dict.fromkeys(path for path in (self.home, self.data, self.state) if path.parent != self.home))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What it takes to start another copy of a stack's service."""

    target: Target
    values: Mapping[str, str]
    """What the placeholders mean to the service."""


_OWNER, _INFO, _RECIPE = Reader(OwnerRecord), Reader(StackInfo), Reader(Recipe)


def make_owner_record(mark: str, pid: int, start: int, folders: tuple[Path, ...], fingerprint: str) -> OwnerRecord:
    """The owner record of a supervisor that runs here and now."""
    return OwnerRecord(
        mark=mark,
        pid=pid,
        start=start,
        boot=boot_id(),
        namespace=_namespace(),
        folders=tuple(map(str, folders)),
        fingerprint=fingerprint,
    )


def named_folder(name: str) -> Path:
    """State folder of a named stack. Raises UsageError for a name that is no plain word."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: a stack's name is letters, digits, '.', '_' and '-', at most 64")
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "harness" / "stacks" / name


def folders_for(mark: str, name: str | None) -> Folders:
    """Where the files of a stack will be; nothing is made yet."""
    home = home_folder(mark)
    return Folders(
        home=home, data=data_folder(mark) or home, state=home / "state" if name is None else named_folder(name)
    )


def full_place(folders: Folders) -> Path | None:
    """The place of a stack's folder where nothing more can be written; None if there is room everywhere."""
    for place in dict.fromkeys(folder.parent for folder in folders.outermost if folder.parent.is_dir()):
        found = os.statvfs(place)
        if found.f_bavail * found.f_frsize < _FULL_BYTES:
            return place
    return None


def home_folder(mark: str) -> Path:
    """Where a stack's home will be: in the temporary folder, or in /var/tmp if the servers' user cannot reach that."""
    for place in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - the name is unguessable
        if place.is_dir() and (os.geteuid() != 0 or _open_to_all(place)):
            return place / f"{_PREFIX}{mark}"
    raise StackError("no temporary folder that the servers' user can reach; set TMPDIR to one")


def data_folder(mark: str) -> Path | None:
    """A folder in memory for a database's many small files, where there is plenty; None where there is not.

    Cloning a data folder makes a thousand files: 0.1 s in memory, and up to seconds on a disk that others write to.
    """
    place = Path("/dev/shm")  # noqa: S108 - the name is unguessable
    try:
        found = os.statvfs(place)
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    available = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    roomy = found.f_bavail * found.f_frsize >= _MEMORY_ROOM and available is not None
    if available is None or not roomy or int(available[1]) * 1024 < 2 * _MEMORY_ROOM:
        return None
    return place / f"{_PREFIX}{mark}" if os.access(place, os.W_OK) else None


def make_private(folder: Path) -> None:
    """Make a folder that only we can read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_owner(folder: Path, owner: OwnerRecord) -> None:
    """Say in `folder` who answers for it."""
    _write_private(folder / OWNER, msgspec.json.encode(owner))


def read_owner(folder: Path) -> OwnerRecord | None:
    """Who answers for `folder`; None if it does not say."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return _OWNER.json((folder / OWNER).read_bytes())
    return None


def write_info(info: StackInfo) -> Path:
    """Write `stack.json`, so that other processes of this user can use the stack."""
    path = Path(info.state_dir) / INFO
    _write_private(path, msgspec.json.format(msgspec.json.encode(info), indent=1))
    return path


def read_info(path: Path) -> StackInfo:
    """The stack that a `stack.json` describes. Raises StackError if there is none."""
    try:
        return _INFO.json(path.read_bytes())
    except OSError as error:
        raise StackError(f"{path}: {error.strerror}; start a stack with `harness up`") from error
    except msgspec.MsgspecError as error:
        raise StackError(f"{path}: not a stack of this version ({error}); end it with `harness down`") from error


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Keep the recipe beside the stack: whoever opens the stack can start further copies of the service."""
    _write_private(folder / RECIPE, msgspec.json.encode(recipe))


def read_recipe(folder: Path) -> Recipe:
    """What the stack in `folder` was started from. Raises StackError if that cannot be read."""
    from harness.config import in_file_shape

    try:
        document = msgspec.json.decode((folder / RECIPE).read_bytes())
        return _RECIPE.data(document | {"target": in_file_shape(document["target"])})
    except (OSError, LookupError, TypeError, msgspec.MsgspecError) as error:
        raise StackError(f"{folder / RECIPE}: cannot be read ({error}); start the stack again") from error


def is_own_folder(path: Path) -> bool:
    """Whether it is a folder, no link to one, of the user who asks."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def sweep() -> tuple[str, ...]:
    """Clear up what stacks of ours left whose supervisor was killed together with the harness; returns their marks."""
    swept: list[str] = []
    for home in home_folder("").parent.glob(f"{_PREFIX}*"):
        owner = read_owner(home) if is_own_folder(home) else None
        if owner is not None and not owner.alive and not _is_named(owner, home):
            clear_up(owner)
            swept.append(owner.mark)
    return tuple(swept)


def _is_named(owner: OwnerRecord, home: Path) -> bool:
    """Whether its name still stands: what is left of it is then for the next `up` or `down` of that name to clear."""
    return any((Path(folder) / OWNER).is_file() for folder in owner.folders if Path(folder).name != home.name)


def clear_up(owner: OwnerRecord) -> None:
    """End what carries a dead supervisor's mark, and remove its folders."""
    end_tree(owner.mark, ())
    remove_folders(owner.folders)


def _write_private(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    aside.replace(path)


def _open_to_all(folder: Path) -> bool:
    folder = folder.resolve()
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def boot_id() -> str:
    """What the kernel calls this start of the machine; "" where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
