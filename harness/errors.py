"""Every error of the harness, with the exit status it leads to.

    HarnessError
    ├── UsageError            2   the user asked for something impossible
    │   ├── ConfigError       2   a profile, policy or waiver file is wrong
    │   └── SafetyError       2   load, writes or faults against an address nobody allowed
    ├── StackError            4   a server of the stack did not start, or died
    │   ├── GroundError       4   what a stack's processes run on (a container daemon) is gone
    │   ├── StartupError      4   the service itself exits or never gets ready (in `gate`: criterion `startup`)
    │   └── UnreachableError  4   an attached URL does not answer
    ├── GeneratorError        3   the load generator failed or was late: nothing is known of the service
    ├── BrokenRunError        3   a run's files contradict each other
    └── ReportError           4   a report could not be written

A message says what was found, what was expected, and what to do; it is one line.
Only `harness.cli` turns an exception into an exit status. Verdicts are not errors.
"""

from __future__ import annotations

from pathlib import Path


class HarnessError(Exception):
    """Base of all errors that a user may see; `exit_code` is the process's status (docs/commands.md#exit-statuses)."""

    exit_code = 4

    def __init__(self, message: str, *, output: str = "", mend: str = "") -> None:
        self.message = f"{message}; {mend}" if mend else message
        super().__init__(self.message)
        self.what = message
        """The finding alone, and what to do about it, for a caller that shows them apart."""
        self.mend = mend
        self.output = output
        """Last lines of the failed process's log, shown under the message; never the first line."""


class UsageError(HarnessError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ConfigError(UsageError):
    """A file that a person wrote is wrong; the message begins with file, line and key where they are known."""

    def __init__(self, what: str, *, path: Path | str | None = None, line: int | None = None, key: str = "") -> None:
        place = f"{path}" if path is not None else ""
        if place and line is not None:
            place += f":{line}"
        parts = [part for part in (place, key, what) if part]
        super().__init__(": ".join(parts))
        self.what = what
        """The finding alone, for a caller that knows another place for it."""
        self.path = path
        self.line = line
        self.key = key


class SafetyError(UsageError):
    """What was asked for would load, write to, attack or break an address that nobody allowed."""


class StackError(HarnessError):
    """A server of the stack did not start, or died."""


class GroundError(StackError):
    """What a stack's processes run on (a container daemon) is gone: no fault of the service."""


class StartupError(StackError):
    """The service under test exited, or never became ready, while its stack answered."""

    def __init__(self, message: str, *, output: str = "", how: str = "") -> None:
        super().__init__(message, output=output)
        self.how = how or message
        """What became of it, without its command."""


class UnreachableError(StackError):
    """An attached URL does not answer."""


class GeneratorError(HarnessError):
    """The load generator failed, was killed or was late: there is no result, and nothing is known of the service."""

    exit_code = 3


class BrokenRunError(HarnessError):
    """The files of a run contradict each other."""

    exit_code = 3


class ReportError(HarnessError):
    """A report could not be written; the verdict stands."""
