"""What a watch keeps on disk, so that a restart of it neither forgets an alert nor tells it twice."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.errors import BrokenRunError, UsageError
from harness.machine.decoding import Reader
from harness.run import read_regular, replace_file
from harness.stack.supervisor.registry import boot_id
from harness.watch.alerts import OpenAlert
from harness.watch.core import Watcher
from harness.watch.delivery import AlertMessage
from harness.watch.windows import Bucket

VERSION = 1
FILE, LOCK = "state.json", "lock"
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchState:
    """All that the next watch of the same service has to know. Times are of the monotonic clock of `boot`."""

    version: int = VERSION
    url: str
    boot: str
    saved: float
    saved_wall: float
    series: dict[str, dict[str, tuple[float, dict[str, list[Bucket]]]]] = field(default_factory=dict)
    open: dict[str, OpenAlert] = field(default_factory=dict)
    outbox: list[AlertMessage] = field(default_factory=list)
    """Messages that nobody took yet."""


_STATE = Reader(WatchState)


@contextmanager
def claimed_state(folder: Path) -> Iterator[None]:
    """Hold the folder for as long as the context lasts. Raises `UsageError` where another watch holds it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(f"--state {folder}: cannot be written ({error.strerror}); give another folder") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise UsageError(
                f"--state {folder}: another watch keeps its state there (process {holder}); end it, or give another"
                " folder"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def load_state(folder: Path, url: str) -> tuple[WatchState | None, str]:
    """What the last watch left, and what there is to say of it. A damaged state is put aside under another name.

    Raises `UsageError` for the state of another service.
    """
    path = folder / FILE
    try:
        state = _STATE.json(read_regular(path, _MOST_BYTES))
        problem = "" if state.version == VERSION else f"it is of version {state.version}, this is {VERSION}"
    except FileNotFoundError:
        return None, ""
    except (msgspec.DecodeError, BrokenRunError) as error:
        problem = str(error)
    if not problem:
        if state.url != url:
            raise UsageError(
                f"--state {folder}: is of {state.url}, not of {url}; give each service a folder of its own"
            )
        return state, ""
    number = next(n for n in range(1, 10_000) if not (folder / f"state-damaged-{n}.json").exists())
    aside = path.rename(folder / f"state-damaged-{number}.json")
    return None, f"{path} cannot be read ({problem}): it lies as {aside.name} now, and the watch begins anew"


def save_state(folder: Path, url: str, watcher: Watcher, outbox: tuple[AlertMessage, ...], now: float) -> None:
    """Replace what is kept, in one step."""
    state = WatchState(
        url=url,
        boot=boot_id(),
        saved=now,
        saved_wall=time.time(),
        series=watcher.rates.dump(),
        open=watcher.book.open,
        outbox=list(outbox),
    )
    replace_file(folder / FILE, msgspec.json.encode(state))


def take_over(watcher: Watcher, state: WatchState, now: float) -> None:
    """Go on where the last watch ended.

    Its clock is ours as long as the machine was not started anew; else the wall clock says how long that took, and one
    that went back says nothing.
    """
    shift = 0.0
    if state.boot != boot_id() or now < state.saved:
        shift = now - state.saved - max(0.0, time.time() - state.saved_wall)
    watcher.rates.load(state.series, shift)
    for name, alert in state.open.items():
        alert.since += shift
        alert.told_at += shift
        watcher.book.open[name] = alert
