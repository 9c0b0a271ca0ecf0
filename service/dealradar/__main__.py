"""The command line: `python -m dealradar serve | worker | migrate | seed | check-config`.

Exit codes: 0 done, 1 the command could not do its work (database unreachable, port in use), 2 a setting or an
argument is wrong. Each command imports what it needs when it runs, so that migrate and seed never load the web
framework.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from dealradar.settings import Settings, SettingsError, load_settings


class CommandError(Exception):
    """A command cannot go on; the text is the one line that the user sees."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings(os.environ)
        return int(options.run(settings, options))
    except SettingsError as error:
        print(f"dealradar: {error}", file=sys.stderr)
        return 2
    except CommandError as error:
        print(f"dealradar {options.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dealradar", description="Deals, reviews and comments over HTTP.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer requests until SIGTERM")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=os.environ.get("PORT", "8000"), help="default: PORT, else 8000")
    serve.set_defaults(run=_serve)
    worker = commands.add_parser("worker", help="send notifications and run jobs until SIGTERM")
    worker.add_argument("--metrics-port", type=_port, help="answer /metrics here, to this machine (default: nowhere)")
    worker.set_defaults(run=_work)
    migrate = commands.add_parser("migrate", help="bring the database schema up to date")
    migrate.add_argument("--down", type=int, default=0, metavar="N", help="instead, take back the last N migrations")
    migrate.set_defaults(run=_migrate)
    seed = commands.add_parser("seed", help="fill an empty database with made-up data, set the two logins' passwords")
    seed.add_argument("--seed", type=int, default=1, help="the number that the data is made from (default 1)")
    seed.add_argument("--scale", type=_scale, default=1, help="times as many rows (default 1, at most 100)")
    seed.set_defaults(run=_seed)
    commands.add_parser("check-config", help="check the settings and stop").set_defaults(run=_check)
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: expected a number from 1 to 65535")
    return int(text)


def _scale(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no scale: expected a number from 1 to 100")
    return int(text)


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from dealradar.listener import PortUnavailableError
    from dealradar.server import serve

    try:
        serve(settings, options.host, options.port)
    except PortUnavailableError as error:
        raise CommandError(f"{error}; choose another with --port") from None
    return 0


def _work(settings: Settings, options: argparse.Namespace) -> int:
    import psycopg

    from dealradar.worker import work

    try:
        work(settings, options.metrics_port)
    except OSError as error:
        raise CommandError(f"cannot listen on port {options.metrics_port}: {error.strerror}") from None
    except psycopg.errors.UndefinedTable as error:
        raise CommandError(f"{_first_line(error)}: run migrate first") from None
    return 0


def _migrate(settings: Settings, options: argparse.Namespace) -> int:
    import psycopg

    from dealradar.migrate import apply_all, take_back

    try:
        names = take_back(settings.database_url, options.down) if options.down else apply_all(settings.database_url)
    except psycopg.Error as error:
        raise CommandError(f"the database refused: {_first_line(error)}") from None
    print(
        f"{'took back' if options.down else 'applied'} {len(names)} migrations" + "".join(f" {name}" for name in names)
    )
    return 0


def _seed(settings: Settings, options: argparse.Namespace) -> int:
    passwords = {name: os.environ.get(name, "") for name in ("SEED_USER_PASSWORD", "SEED_OPERATOR_PASSWORD")}
    for name, value in passwords.items():
        if len(value) < 8:
            raise SettingsError(f"{name} is not set: seeding needs a password of at least 8 characters")
    import psycopg

    from dealradar.seed import seed_database

    try:
        print(seed_database(settings.database_url, options.seed, options.scale, *passwords.values()))
    except psycopg.errors.UndefinedTable as error:
        raise CommandError(f"{_first_line(error)}: run migrate first") from None
    except psycopg.Error as error:
        raise CommandError(f"the database refused: {_first_line(error)}") from None
    return 0


def _check(settings: Settings, _options: argparse.Namespace) -> int:
    print(f"settings are complete and well-formed: environment {settings.environment}, build {settings.build_id}")
    return 0


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
