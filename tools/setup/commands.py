"""Running a foreign program, with a failure that fits on one line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

Words = Sequence[str | Path]

_TAIL_LINES = 15
_EXCEPTION = re.compile(r"^[A-Za-z.]*(Error|Exception): ")
_CAUSE = re.compile(r"^(caused by|cause): *", re.IGNORECASE)
_SAYS_WHAT_FAILED = re.compile(r"\b(error|failed|cannot|no such|not found|denied|mismatch)\b", re.IGNORECASE)


class SetupError(Exception):
    """Setup cannot go on; the message is one line: what, where, what to do."""

    def __init__(self, message: str, *, output: str = "") -> None:
        super().__init__(message)
        self.output = output
        """The failed program's last lines, shown under the message."""


def run(words: Words, *, doing: str, cwd: Path, env: Mapping[str, str]) -> str:
    """Run `words` to their end and return what they printed.

    `doing` completes the sentence "setup failed at …". Raises SetupError if the program is missing
    or exits with another status than 0.
    """
    try:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{doing}: {words[0]} does not run: {error.strerror or error}") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise SetupError(
            f"{doing}: {Path(words[0]).name} exited {done.returncode}: {_telling_line(lines)}",
            output="\n".join(lines[-_TAIL_LINES:]),
        )
    return done.stdout


def _telling_line(lines: Sequence[str]) -> str:
    """The exception that ended a Python program, else the first line naming a failure and its cause, or the last."""
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    if exceptions:
        return exceptions[-1]
    failure = next((line for line in lines if _SAYS_WHAT_FAILED.search(line)), None)
    if failure is None:
        return lines[-1] if lines else "it printed nothing"
    causes = [line for line in lines if _CAUSE.match(line)]
    return f"{failure} ({_CAUSE.sub('', causes[-1])})" if causes else failure
