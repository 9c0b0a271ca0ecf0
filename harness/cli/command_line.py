"""What a word of a command line must be, whatever option it is given to."""

from __future__ import annotations

from collections.abc import Iterator

import click

_LONGEST = 4096
"""Bytes of one word; no path of Linux is longer (PATH_MAX)."""
_MAY_HOLD_ADDRESSES = frozenset({"url", "env", "suites", "webhook"})
"""Parameters whose words may have an address in them; `suites` has those for pytest too."""


class Command(click.Command):
    """A command that takes no word for a name, a path or a revision that cannot be meant as one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Like click's, after a look at the words as they were written."""
        written, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in self.get_params(ctx):
            if isinstance(parameter.type, click.types.StringParamType | click.Path):
                for word in _words(written.get(parameter.name or "")):
                    problem = word_problem(word)
                    if problem is None and "://" in word and parameter.name not in _MAY_HOLD_ADDRESSES:
                        # not shown: it may hold a password, which a path would show in another form
                        problem = "it is an address, where a name, a path or a revision is meant"
                    if problem is not None:
                        raise click.BadParameter(problem, ctx=ctx, param=parameter)
        return super().parse_args(ctx, args)


def word_problem(word: str) -> str | None:
    """Why nobody can have meant this word as a name, a path or a revision; None if somebody can."""
    if not word.strip():
        return "it is empty, it names nothing (a variable that is not set?); give a value, or leave the option out"
    if word.startswith("-"):
        return f"{word!r} begins with '-': it reads as an option, not as a value; ./{word} names such a file"
    if any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in word):
        return "it holds a control character"
    try:
        size = len(word.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8 text"
    return f"it is longer than {_LONGEST} bytes" if size > _LONGEST else None


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _words(part)
