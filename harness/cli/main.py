"""`harness COMMAND`: finds the command's module, runs it, and turns errors into exit statuses
(docs/commands.md#exit-statuses)."""

from __future__ import annotations

import difflib
import errno
import importlib
import resource
import signal
import sys
import traceback
from types import FrameType

import click

import harness
from harness.cli.streams import NAMES, open_closed_streams, take_over
from harness.cli.terminal import echo, echo_error, echo_log
from harness.errors import HarnessError

COMMANDS = {
    "gate": "Start the target, test it, rule GO, NO-GO or INCONCLUSIVE, and stop it.",
    "init": "Draft a profile for a service that runs.",
    "up": "Start a stack that stays up.",
    "down": "Stop a stack that `up` started.",
    "status": "Show a stack's addresses.",
    "logs": "Show the logs of a stack.",
    "preflight": "Check readiness alone, with the System Readiness Score.",
    "run": "Run suites alone.",
    "load": "Load a service at an open arrival rate.",
    "watch": "Watch a service after its release: budgets, alerts, a verdict.",
    "rollback": "Roll a running stack back to an earlier release, or try it in a drill.",
    "backup": "Back up the database of a stack, verify a backup, restore it.",
    "prove": "Plant defects, and show that the gate says no to each.",
    "judge": "Rule again from the evidence of a run.",
    "report": "Write the reports of a run again.",
    "verify": "Has a run changed since its verdict?",
    "doctor": "What this machine has and lacks.",
}
_END_WITH_READER: tuple[list[str], ...] = (["logs"],)
"""Commands whose only work is to print."""


class _PipeBrokenError(Exception):
    """A pipe's other end is gone: standard output's, or that of a process of ours."""


class Commands(click.Group):
    """Imports a command's module only when it is asked for: `harness status` must not pay for Locust."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"harness.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, with the nearest command's name in the error."""
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Like click's, but a broken pipe stays an error: click would exit with 1, which says NO-GO."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeBrokenError(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table, without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _root() -> Commands:
    return Commands(
        name="harness",
        help="Release readiness from evidence. Example: harness gate --target dealradar",
        params=[click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_print_version)],
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _print_version(ctx: click.Context, param: click.Parameter, value: object) -> None:  # noqa: ARG001
    if value:
        echo(f"harness {harness.__version__}")
        ctx.exit()


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    raise KeyboardInterrupt


def _listen_to_signals() -> None:
    """End in order when asked to. A shell's `&` has SIGINT ignored: what the harness starts must not inherit that, or
    it could not be asked to stop. `nohup` is taken at its word."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _leave_no_cores() -> None:
    """What crashes leaves no memory in a file, with the secrets in it: neither this process nor what it starts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def main() -> None:
    """Entry point of the console script."""
    closed = open_closed_streams()
    _leave_no_cores()
    _listen_to_signals()
    words = sys.argv[1:]
    output = take_over("end" if words[:1] in _END_WITH_READER else "tell")
    status = run_command(words)
    sys.stdout.flush()
    if NAMES[1] in closed:
        echo(f"note: {NAMES[1]} was closed: what belongs there went nowhere", err=True)
    if output.lost is not None and status in (0, 1, 3):
        echo_error(f"{NAMES[1]}: {output.lost.strerror}: what was printed is not whole", "")
        status = 4
    sys.exit(status)


def run_command(words: list[str]) -> int:
    """Run one command line; returns the exit status."""
    try:
        status = _root().main(args=words, prog_name="harness", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        echo(shown.format_message())
        return 0
    except (KeyboardInterrupt, click.Abort):
        # CPython remembers one that came while it ran code from a string, as dataclasses do, and `python -m` would end
        # by the signal in place of our status; whatever is run so next makes it forget
        exec("")  # noqa: S102
        echo("interrupted", err=True)
        return 130
    except Exception as error:  # noqa: BLE001 - the process's border: whatever went wrong ends in one line and a status
        if isinstance(error, _PipeBrokenError) and words[:1] in _END_WITH_READER:
            return 0
        message, code = _told(error)
        echo_error(message, error.output if isinstance(error, HarnessError) else "")
        if "--debug" in words:
            echo_log(traceback.format_exc())
        return code
    return status if isinstance(status, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the status it leads to."""
    where = " (--debug shows where)"
    match error:
        case HarnessError():
            return error.message, error.exit_code
        case click.ClickException():
            context = error.ctx if isinstance(error, click.UsageError) else None
            return f"{error.format_message()} (see `{context.command_path if context else 'harness'} --help`)", 2
        case OSError(errno=errno.ENAMETOOLONG | errno.ELOOP):
            return f"{error.filename or 'a name'}: {error.strerror}; give a shorter path", 2
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror}; free some, or give another folder with --out", 4
        case _PipeBrokenError():
            return f"the harness failed: a process that it spoke to is gone ({error}){where}", 4
        case OSError(strerror=str(what), filename=str(place)):
            return f"the harness failed: {place}: {what}{where}", 4
        case _:
            return f"the harness failed: {type(error).__name__}: {error}{where}", 4
