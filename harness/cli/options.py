"""Options that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

MOST_PROCESSES = 256
"""Test processes, or gates at once: more is a slip of the finger."""
F = TypeVar("F", bound=Callable[..., Any])

target = click.option("--target", metavar="NAME|PATH", help="Profile of the service under test.")
stack = click.option(
    "--stack",
    "backend",
    type=click.Choice(["embedded", "docker", "attach"]),
    default=None,
    help="Where the service and its servers run (default: embedded).",
)
url = click.option("--url", metavar="URL", help="Attach to a service that already runs.")
name = click.option("--name", metavar="NAME", default="default", show_default=True, help="Name of the stack.")
env = click.option(
    "--env", "env", metavar="KEY=VALUE", multiple=True, help="Override one setting of the service (repeatable)."
)
mode = click.option(
    "--mode",
    type=click.Choice(["reuse", "fresh", "auto"]),
    default=None,
    help="reuse: the stack of that --name, which must be up, the same and well; fresh: a new one; auto: the one that "
    "is up if it is the same, else a new one.",
)
json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output, nothing else.")
out = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Where runs are kept (default: reports/).",
)


def _share(_context: click.Context, _option: click.Parameter, given: bool) -> None:  # noqa: FBT001 - as click calls it
    from harness.run.access import share_runs

    share_runs(shared=given)


share = click.option(
    "--share",
    is_flag=True,
    expose_value=False,
    callback=_share,
    help="Let others read the run, as the umask says (default: its user alone).",
)
instances = click.option(
    "--instances",
    type=click.IntRange(1, 64),
    default=None,
    help="Copies of the service, with a proxy in front of more than one (default: 1).",
)
tls = click.option("--tls", is_flag=True, help="Reach the service over TLS, by a proxy with a throw-away certificate.")
active = click.option("--active", is_flag=True, help="Allow writes and attacks on a loopback --url.")
traces = click.option("--traces", is_flag=True, help="Keep browser traces of an attached service too.")
debug = click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback when something fails.")
"""Read by `main`, which is who shows it."""
debug_words = click.option(
    "--debug", is_flag=True, help="Show a traceback when something fails, and pytest's own words of each failure."
)
policy = click.option("--policy", metavar="quick|release|PATH", default="quick", show_default=True)


def listed(flag: str, *, metavar: str, help: str) -> Callable[[F], F]:  # noqa: A002 - as click calls it
    """An option that takes words with commas between them; given twice, all of them count."""

    def joined(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> str | None:
        # one that names nothing is a mistake, which others beside it must not hide
        empty = next((words for words in given if not words.strip(", ")), None)
        return empty if empty is not None else ",".join(given) or None

    return click.option(flag, metavar=metavar, multiple=True, callback=joined, help=help)


def overrides(words: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` words as a mapping; raises `click.BadParameter` naming the word that is neither."""
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{word!r} is not KEY=VALUE", param_hint="--env")
        settings[key] = value
    return settings


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Apply several options as one decorator."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


target_selection = together(target, stack, url, name, env)
"""The options of every command that takes a target."""


def words(option: str, text: str | None) -> tuple[str, ...]:
    """A comma-separated option as its words; none if it was not given. Raises `click.BadParameter` if it names none."""
    found = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    if text is not None and not found:
        raise click.BadParameter("it names nothing; write names with commas between them", param_hint=option)
    return found
