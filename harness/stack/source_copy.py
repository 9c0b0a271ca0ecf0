"""A copy of the target's sources, as they once were or with a defect in it: the service under test is not touched."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import ConfigError, HarnessError, UsageError
from harness.model import Target

_SECONDS = 30.0
_FILE_LINE = re.compile(r"^(?:---|\+\+\+) (?P<path>[^\t\n]+)", re.MULTILINE)
_GIT_LINE = re.compile(r"^(?:rename|copy) (?:from|to) (?P<path>.+)$", re.MULTILINE)
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".venv", "node_modules")


@dataclass(frozen=True, slots=True)
class ServiceSource:
    """What a patch may change."""

    top: Path
    """The repository: patches name files from here."""
    folder: Path
    """The folder of the service, relative to `top`."""


def source_of(target: Target) -> ServiceSource:
    """Where the target's sources lie. Raises UsageError for a target that is not started from its sources."""
    if not target.source or not target.service.command:
        raise UsageError(f"{target.source or target.name}: patches need a target that is started from its sources")
    profile, folder = Path(target.source).resolve(), Path(target.service.cwd).resolve()
    top = next(place for place in folder.parents if place in profile.parents or place == Path(place.anchor))
    if top == Path(top.anchor):
        raise UsageError(f"{target.source}: profile and service.cwd lie in no common folder; patches cannot be tried")
    return ServiceSource(top=top, folder=folder.relative_to(top))


def read_patch(path: Path, source: str) -> tuple[str, ...]:
    """The files that a unified diff touches. Raises ConfigError if it cannot be read, or touches one outside `source`.

    `source` is a folder as patches name it: relative to the repository.
    """
    text = _read_text(path)
    found = [match["path"] for match in _FILE_LINE.finditer(text)]
    names = [re.sub(r"^[ab]/", "", name) for name in found if name != "/dev/null"]
    names += [match["path"] for match in _GIT_LINE.finditer(text)]
    if not names:
        raise ConfigError("is no unified diff: it names no file", path=path)
    for name in names:
        parts = PurePosixPath(name).parts
        if ".." in parts or not PurePosixPath(name).is_relative_to(source):
            raise ConfigError(f"touches {name}, which lies outside {source}/", path=path)
    return tuple(dict.fromkeys(names))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=path, key="patch") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", path=path, key="patch") from None


def copy_source(source: ServiceSource, to: Path, patch: Path | None = None) -> Path:
    """Copy the service to `to`, apply the patch there, and return the copied folder.

    Raises ConfigError for a patch that does not apply, HarnessError where `git` is missing.
    """
    copy = to / source.folder
    shutil.copytree(source.top / source.folder, copy, ignore=_LEFT_OUT, symlinks=True)
    if patch is not None:
        _git_apply(patch, to)
    return copy


def export_source(source: ServiceSource, commit: str, to: Path) -> None:
    """Put the service as it was in that commit below `to`, at the same place as `copy_source` does.

    Raises HarnessError where `git` is missing, or does not give it.
    """
    words = ["git", "-C", str(source.top), "archive", "--format=tar", commit, "--", str(source.folder)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        raise HarnessError("`git` is missing, and former releases are had by it; install git") from None
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{commit}: `git archive` did not end within {_SECONDS:g} s") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("fatal: ")
        raise UsageError(f"commit {commit} does not give {source.folder}/: {said}")
    to.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(to, filter="data")


def check_patch(patch: Path, top: Path) -> None:
    """See whether it applies to the files below `top`, and change nothing; raises as `copy_source` does."""
    _git_apply(patch, top, "--check")


def _git_apply(patch: Path, top: Path, *options: str) -> None:
    # outside of a repository git takes the paths as they are
    environment = {"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": os.devnull, "LC_ALL": "C"}
    words = ["git", "apply", "--whitespace=nowarn", *options, str(patch.resolve())]
    try:
        done = subprocess.run(
            words, cwd=top, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise HarnessError("`git` is missing, and patches are applied by it; install git") from None
    except subprocess.TimeoutExpired:
        raise HarnessError(f"{patch}: `git apply` did not end within {_SECONDS:g} s") from None
    if done.returncode != 0:
        reason = " ".join(done.stderr.split()).removeprefix("error: ")
        raise ConfigError(f"no longer applies: {reason}; make it anew for the sources as they are", path=patch)
