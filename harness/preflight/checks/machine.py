"""Can what runs here write its files and open its connections?"""

from __future__ import annotations

import resource
import shutil
import tempfile
from pathlib import Path

from harness.preflight.check import Check, ReadinessFinding, Scene, fine, wrong

LEAST_FREE_MIB = 512
LEAST_FILES = 1024
"""A load run holds some hundred connections at once, and a service as many again."""


def check_folders(scene: Scene) -> ReadinessFinding:
    """Every folder that stack, reports and service write to takes a file, and its disk has room."""
    folders = _folders(scene)
    free = {str(folder): shutil.disk_usage(_existing(folder)).free // 2**20 for folder in folders}
    problems = {str(folder): said for folder in folders if (said := _write_problem(folder))}
    problems |= {
        place: f"only {room} MiB are free"
        for place, room in free.items()
        if room < LEAST_FREE_MIB and place not in problems
    }
    told = {"folders": list(free), "free_mib": free, "problems": problems}
    count = f"{len(folders) - len(problems)} of {len(folders)} folders"
    if problems:
        worst = "; ".join(f"{place}: {said}" for place, said in problems.items())
        return wrong(
            f"{count} can be used: {worst}",
            f"make them writable for this user, or free {LEAST_FREE_MIB} MiB",
            value=float(min(free.values())),
            unit="MiB",
            detail=told,
        )
    least = min(free.values())
    return fine(f"{count} are writable, {least} MiB free at least", value=float(least), unit="MiB", detail=told)


def check_files(_scene: Scene) -> ReadinessFinding:
    """How many files and connections one process may have open."""
    allowed = open_files_allowed()
    value = None if allowed == float("inf") else allowed
    if allowed < LEAST_FILES:
        return wrong(
            f"a process may have {allowed:g} files open, {LEAST_FILES} at least are needed",
            f"ulimit -n {LEAST_FILES} (the hard limit may have to be raised by root)",
            value=value,
            unit="files",
        )
    shown = "any number of" if value is None else f"{value:g}"
    return fine(f"a process may have {shown} files open", value=value, unit="files")


def open_files_allowed() -> float:
    """The soft limit of this process, which its children inherit; infinity where there is none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else float(soft)


def _folders(scene: Scene) -> list[Path]:
    service = scene.target.service
    # a container's folders are not this machine's
    own = (
        [Path(service.cwd, place) for place in scene.target.preflight.writable]
        if scene.info.backend == "embedded"
        else []
    )
    named = [scene.info.state_dir or tempfile.gettempdir(), *scene.folders]
    return list(dict.fromkeys([*map(Path, named), *own]))


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _write_problem(folder: Path) -> str | None:
    """Why no file can be made there; None if one was. A folder that is not there yet is tried at the nearest above."""
    try:
        with tempfile.NamedTemporaryFile(dir=_existing(folder), prefix=".harness-try-") as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return (error.strerror or type(error).__name__).lower()
    return None


CHECKS = (
    Check(id="preflight.folders", order=80, subject="machine", title="folders can be written", ask=check_folders),
    Check(id="preflight.files", order=90, subject="machine", title="open files allowed", ask=check_files),
)
