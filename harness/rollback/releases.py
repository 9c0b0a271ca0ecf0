"""Which release a rollback goes to, and the code of one that lies in git."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.errors import StackError, UsageError
from harness.machine.decoding import Reader
from harness.model import Build, Release, RollbackLevel, StackInfo, Target
from harness.stack.build import commit_of
from harness.stack.servers.binaries import cache_home
from harness.stack.source_copy import export_source, source_of
from harness.stack.supervisor.registry import read_recipe

HISTORY = "releases.json"
_GIT_SECONDS = 20.0
_COMMIT = ".harness-commit"
_SHOWN = 12
_HISTORY = Reader(tuple[Release, ...])


def read_history(info: StackInfo) -> tuple[Release, ...]:
    """The releases that a stack has run, oldest first; the last one is what runs.

    Raises StackError if what is kept of it cannot be read.
    """
    path = Path(info.state_dir) / HISTORY
    try:
        return _HISTORY.json(path.read_bytes())
    except FileNotFoundError:
        return (_first_release(info),)
    except (OSError, msgspec.MsgspecError) as error:
        raise StackError(f"{path}: cannot be read ({error}); start the stack again") from error


def write_history(info: StackInfo, history: Sequence[Release]) -> None:
    """Keep it beside the stack, all at once; settings may be secrets, and the folder is private."""
    path = Path(info.state_dir) / HISTORY
    aside = path.with_name(f".{HISTORY}.new")
    aside.write_bytes(msgspec.json.encode(tuple(history)))
    aside.replace(path)


def _first_release(info: StackInfo) -> Release:
    cwd = read_recipe(Path(info.state_dir)).target.service.cwd
    commit = info.build.id if info.build.kind == "commit" and not info.build.dirty else _kept_commit(Path(cwd))
    return Release(name=commit[:_SHOWN] or "as started", commit=commit, cwd=cwd, settings=info.overrides)


def find_release(target: Target, history: Sequence[Release], level: RollbackLevel, wanted: str | None) -> Release:
    """The release that a rollback of that level goes to; `target` is the profile's, whose sources lie in git.

    Raises UsageError in one line where there is none, or where it is what runs.
    """
    now = history[-1]
    if level == "config":
        found = _with_settings(target, history, wanted)
        if dict(found.settings) == dict(now.settings):
            raise UsageError(f"release {found.name} has the settings that run already: nothing to roll back")
        return replace(now, name=found.name, settings=found.settings)
    found = _with_code(target, history, wanted)
    if found.code == now.code:
        raise UsageError(f"release {found.name} is the code that runs already: nothing to roll back")
    return found


def _with_settings(target: Target, history: Sequence[Release], wanted: str | None) -> Release:
    now, named = history[-1], target.releases.named
    if wanted is None:
        others = [each for each in history if each.code == now.code and dict(each.settings) != dict(now.settings)]
        if not others:
            raise UsageError(
                "no earlier settings: this stack has run with these alone; name a release of [releases.named] with --to"
            )
        return others[-1]
    if wanted in named:
        return replace(now, name=wanted, settings=named[wanted].settings)
    ran = [each for each in history if each.name == wanted]
    if not ran:
        raise _unknown(target, history, wanted)
    return ran[-1]


def _with_code(target: Target, history: Sequence[Release], wanted: str | None) -> Release:
    now = history[-1]
    if wanted is not None:
        ran = [each for each in history if each.name == wanted]
        return replace(ran[-1], settings=now.settings) if ran else named_release(target, wanted, now)
    others = [each for each in history if each.code != now.code]
    return replace(others[-1], settings=now.settings) if others else previous_release(target, now)


def whole_release(target: Target, history: Sequence[Release], wanted: str) -> Release:
    """A release by its name, with its own settings; it may be the one that runs. Raises UsageError for no release."""
    ran = [each for each in history if each.name == wanted]
    return ran[-1] if ran else named_release(target, wanted, history[-1])


def previous_release(target: Target, now: Release) -> Release:
    """What a rollback of code goes to: the profile's word for it, else the newest tag of another commit.

    Raises UsageError where there is none.
    """
    if target.releases.previous:
        return named_release(target, target.releases.previous, now)
    at = "HEAD"
    while (tag := (_git(target, "describe", "--tags", "--abbrev=0", at) or "").strip()) and (
        commit := _commit(target, tag)
    ):
        if commit != now.commit:
            return Release(name=tag, commit=commit, settings=now.settings)
        at = f"{commit}^"
    raise UsageError(
        "no previous release: [releases] previous names none, and the repository has no tag of an earlier commit; "
        "give --to REF"
    )


def named_release(target: Target, wanted: str, now: Release) -> Release:
    """A release by its name in the profile, or by a git ref. Raises UsageError where it is neither."""
    source = target.releases.named.get(wanted)
    if source is None:
        commit = _commit(target, wanted)
        if commit is None:
            raise _unknown(target, (now,), wanted)
        return Release(name=commit[:_SHOWN] if wanted == commit else wanted, commit=commit, settings=now.settings)
    settings = source.settings or now.settings
    if source.folder:
        return Release(name=wanted, cwd=source.folder, settings=settings)
    if not source.ref:
        return replace(now, name=wanted, settings=settings)
    commit = _commit(target, source.ref)
    if commit is None:
        raise UsageError(f"[releases.named.{wanted}] ref: {source.ref!r} is no ref of the repository here; fetch it")
    return Release(name=wanted, commit=commit, settings=settings)


def _unknown(target: Target, history: Sequence[Release], wanted: str) -> UsageError:
    known = sorted({*target.releases.named, *(each.name for each in history)})
    return UsageError(
        f"no release {wanted!r}: neither a git ref here nor one of {', '.join(known)}; name one of them with --to"
    )


def fetch_code(target: Target, release: Release) -> Release:
    """The release with its code in a folder, had from git where it is not there yet; kept for further stacks.

    `target` is the profile's. Raises UsageError where the profile's sources lie in no repository, StackError where
    git does not give them.
    """
    if _is_there(release):
        return release
    source = source_of(target)
    key = hashlib.sha256(f"{source.top}\0{source.folder}\0{release.commit}".encode()).hexdigest()[:16]
    place = cache_home(None) / "releases" / f"{release.commit[:_SHOWN]}-{key}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{place.name}.", dir=place.parent) as aside:
            made = Path(aside) / "code"
            export_source(source, release.commit, made)
            (made / _COMMIT).write_text(release.commit, encoding="ascii")
            try:
                made.rename(place)
            except OSError:
                # another rollback was quicker
                if not place.is_dir():
                    raise
    folder = place / source.folder
    if not folder.is_dir():
        raise UsageError(f"release {release.name} has no folder {source.folder}: it is older than the service there")
    return replace(release, cwd=str(folder))


def _kept_commit(cwd: Path) -> str:
    """The commit of code that was had from git; "" for any other folder."""
    kept = cache_home(None) / "releases"
    if not cwd.is_relative_to(kept):
        return ""
    note = kept / cwd.relative_to(kept).parts[0] / _COMMIT
    return note.read_text(encoding="ascii") if note.is_file() else ""


def _is_there(release: Release) -> bool:
    """Whether its folder holds its code: one of git's may have been edited since."""
    if not release.cwd or not Path(release.cwd).is_dir():
        return False
    is_kept = _kept_commit(Path(release.cwd)) == release.commit
    return not release.commit or is_kept or commit_of(Path(release.cwd)) == Build(kind="commit", id=release.commit)


def _commit(target: Target, ref: str) -> str | None:
    if ref.startswith("-"):
        return None
    found = _git(target, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    return found.strip() if found else None


def _git(target: Target, *words: str) -> str | None:
    """What git says of the repository around the service's sources; None where it says nothing."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": os.environ.get("HOME", "/")}
    try:
        done = subprocess.run(
            ["git", "-C", target.service.cwd, "--no-optional-locks", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
