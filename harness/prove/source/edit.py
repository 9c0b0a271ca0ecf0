"""One small change to a file of the service, and whether anybody could notice it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEdit:
    """What an operator makes of one place of a file."""

    file: str
    """Relative to the service's folder."""
    operator: str
    first: int
    last: int
    """The lines that are another afterwards, from 1, as the file was before."""
    names: tuple[str, ...] = ()
    """What the place defines when its module is imported: whoever says these names may see the change."""
    runs_at: tuple[int, int] = (0, 0)
    """The lines of the function of which a decorator, a default or a signature is changed; (0, 0) for none."""
    before: str
    after: str
    """The whole file."""

    @property
    def removed(self) -> str:
        """The changed lines as they were."""
        return "\n".join(line[1:] for line in self._changed("-"))

    @property
    def added(self) -> str:
        """The changed lines as they are then."""
        return "\n".join(line[1:] for line in self._changed("+"))

    def diff(self, folder: str) -> str:
        """A unified diff with three lines of context, which `git apply` takes where `folder` lies."""
        name = f"{folder}/{self.file}" if folder not in ("", ".") else self.file
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def _changed(self, sign: str) -> list[str]:
        found = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), n=0, lineterm="")
        return [line for line in list(found)[2:] if line.startswith(sign)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """Something that an operator could change; made only once it is drawn, since there are thousands."""

    operator: str
    make: Callable[[], SourceEdit | None]
    """None where it would be no program, or none other."""


def equivalent(edit: SourceEdit) -> str:
    """Why nothing could tell the changed file from the true one; "" where something could.

    Two texts that compile to the same code are one program (trivial compiler equivalence, Papadakis et al. 2015).
    """
    if not edit.file.endswith(".py"):
        return ""
    before, after = (compile(text, edit.file, "exec", dont_inherit=True) for text in (edit.before, edit.after))
    return "both compile to the same code" if _form(before) == _form(after) else ""


def _form(code: CodeType) -> tuple[object, ...]:
    """What a code object does, without where it stands."""
    constants = tuple(_form(one) if isinstance(one, CodeType) else (type(one), repr(one)) for one in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags
