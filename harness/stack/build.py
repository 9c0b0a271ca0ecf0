"""Which build of a target is at hand: a commit, an image, what the service reports, or unknown."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import msgspec

from harness.model import Build, StackInfo, Target

_GIT_SECONDS = 10.0
_UNKNOWN = Build(kind="unknown", id="")


def identify_build(target: Target, info: StackInfo | None = None) -> Build:
    """The build of a running stack, as found when it started; without one, what starting the target would run."""
    if info is not None:
        return info.build
    return Build(kind="image", id=target.service.image) if target.service.image else commit_of(Path(target.service.cwd))


def commit_of(path: Path) -> Build:
    """Commit of the repository around `path`; dirty if that folder has changes or files that git does not know."""
    commit = _git(path, "rev-parse", "HEAD")
    if commit is None:
        return _UNKNOWN
    changes = _git(path, "status", "--porcelain", "--", ".")
    return Build(kind="commit", id=commit.strip(), dirty=bool(changes))


def fingerprint(target: Target) -> str:
    """Digest of what a stack is started from: the profile's way to start it, and the source as it stands on disk."""
    digest = hashlib.sha256(msgspec.json.encode((target.name, target.service, target.workers, target.health)))
    path = Path(target.service.cwd)
    # the folder's own tree, not the commit: a commit that leaves the folder alone changes nothing that runs
    for words in (("rev-parse", "HEAD:./"), ("diff", "HEAD", "--", "."), ("status", "--porcelain", "-uall", "--", ".")):
        digest.update((_git(path, *words) or "").encode(errors="replace"))
    return digest.hexdigest()


def _git(path: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(path), "--no-optional-locks", *words],
            capture_output=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def reported_build(target: Target, url: str) -> Build:
    """What a service says that it is, where the profile knows whom to ask: the body's `build`, `commit`, `revision`,
    `version` or `id` if it is JSON, else its first line."""
    if not target.build.path:
        return _UNKNOWN
    # imported where they are used: most targets are asked nothing
    from harness.probes.exchange import UnfitAnswer
    from harness.probes.http import RecordingClient, ServiceUnavailable

    try:
        with RecordingClient(url, timeout_s=target.service.timeout_s, keep=1) as client:
            answer = client.exchange("GET", target.build.path, follow_redirects=True)
    except (ServiceUnavailable, UnfitAnswer):
        return _UNKNOWN
    return _said_in(answer.text.strip()) if answer.status < 300 else _UNKNOWN


def _said_in(body: str) -> Build:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = body.splitlines()[0] if body else ""
    if isinstance(document, dict):
        found = (document.get(key) for key in ("build", "commit", "revision", "version", "id"))
        document = next((value for value in found if value), "")
    said = str(document)[:200].encode(errors="backslashreplace").decode()
    return Build(kind="reported", id=said) if document else _UNKNOWN
