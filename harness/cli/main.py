"""`harness COMMAND`: finds the command's module, runs it, and turns errors into exit statuses (DESIGN 4.1)."""

from __future__ import annotations

import difflib
import importlib
import signal
import sys
import traceback
from types import FrameType

import click

import harness
from harness.errors import HarnessError

COMMANDS = {
    "gate": "Start the target, test it, rule GO, NO-GO or INCONCLUSIVE, and stop it.",
    "up": "Start a stack that stays up.",
    "down": "Stop a stack that `up` started.",
    "status": "Show a stack's addresses.",
    "logs": "Show the logs of a stack.",
    "preflight": "Check readiness alone, with the System Readiness Score.",
    "run": "Run suites alone.",
    "load": "Load a service at an open arrival rate.",
    "judge": "Rule again from the evidence of a run.",
    "report": "Write the reports of a run again.",
    "verify": "Has a run changed since its verdict?",
    "doctor": "What this machine has and lacks.",
}


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
        click.echo(f"harness {harness.__version__}")
        ctx.exit()


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    sys.exit(run_command(sys.argv[1:]))


def run_command(words: list[str]) -> int:
    """Run one command line; returns the exit status."""
    debug = "--debug" in words
    try:
        status = _root().main(args=words, prog_name="harness", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.format_message())
        return 0
    except click.ClickException as error:
        name = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "harness"
        click.echo(f"error: {_one_line(error.format_message())} (see `{name} --help`)", err=True)
        return 2
    except HarnessError as error:
        click.echo(f"error: {_one_line(error.message)}", err=True)
        if error.output:
            click.echo(error.output.rstrip(), err=True)
        if debug:
            traceback.print_exc()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001 - the process's border: a crash of ours is exit 4, in one line
        click.echo(
            f"error: the harness failed: {type(error).__name__}: {_one_line(str(error))} (--debug shows where)",
            err=True,
        )
        if debug:
            traceback.print_exc()
        return 4
    return status if isinstance(status, int) else 0


def _one_line(message: str) -> str:
    return " ".join(message.split())
