"""A random draw of mutants from the sources of a service: the operator first, then a file, then a place in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random

from harness.errors import ConfigError
from harness.prove.model import Defect, Expectation
from harness.prove.source.edit import SourceChange, SourceEdit, equivalent
from harness.prove.source.python import PythonFile
from harness.prove.source.setting import setting_changes
from harness.prove.source.template import template_changes, template_form

Reader = Callable[[str, str], Iterator[SourceChange]]
READERS: Mapping[str, Reader] = {
    "*.py": lambda name, text: PythonFile(name, text).changes(),
    "*.html": template_changes,
    "*.jinja*": template_changes,
    "*.j2": template_changes,
    "*/templates/*.txt": template_changes,
    "*.env": setting_changes,
    "*.toml": setting_changes,
    ".env*": setting_changes,
}
"""How files of each name are read, the first that fits: another language is another module with such a function."""


@dataclass(frozen=True, slots=True)
class SourceMutant:
    """A change of the sources, and the defect that it is in a proof."""

    edit: SourceEdit
    defect: Defect


def draw_sources(seed: int, n: int, sources: Mapping[str, str]) -> tuple[SourceMutant, ...]:
    """`n` different mutants of these files, by name; fewer only where there are no more, the same for the same seed.

    An operator that fits nearly everywhere would be nearly all there is: so it is drawn first, then a file that it can
    change. Raises ConfigError for a file that cannot be parsed.
    """
    chance = Random(seed)  # noqa: S311 - to be repeated, no secret
    pool: dict[str, dict[str, list[SourceChange]]] = {}
    for name, text in sorted(sources.items()):
        for change in _changes(name, text):
            pool.setdefault(change.operator, {}).setdefault(name, []).append(change)
    drawn: dict[str, SourceMutant] = {}
    seen: set[tuple[str, str]] = set()
    while len(drawn) < n and pool:
        operator = chance.choice(sorted(pool))
        name = chance.choice(sorted(pool[operator]))
        left = pool[operator][name]
        edit = left.pop(chance.randrange(len(left))).make()
        if not left:
            del pool[operator][name]
        if not pool[operator]:
            del pool[operator]
        if edit is not None and (edit.file, edit.after) not in seen:
            seen.add((edit.file, edit.after))
            defect = _defect(seed, edit, drawn)
            drawn[defect.id] = SourceMutant(edit, defect)
    return tuple(drawn.values())


def read_sources(folder: Path, names: frozenset[str]) -> Mapping[str, str]:
    """The text of those files that can be read as a language that is known here."""
    return {name: (folder / name).read_text(encoding="utf-8") for name in names if _reader_of(name) is not None}


def _reader_of(name: str) -> Reader | None:
    return next((reader for pattern, reader in READERS.items() if fnmatchcase(name, pattern)), None)


def _changes(name: str, text: str) -> Iterator[SourceChange]:
    reader = _reader_of(name)
    try:
        yield from reader(name, text) if reader is not None else ()
    except SyntaxError as error:
        raise ConfigError(f"cannot be parsed ({error})", path=Path(name)) from None


def _defect(seed: int, edit: SourceEdit, drawn: Mapping[str, object]) -> Defect:
    place = re.sub(r"[^a-z0-9]+", "-", edit.file.lower().removesuffix(".py")).strip("-")
    name = f"source-{seed}-{edit.operator}-{place}-{edit.first}"
    unique, number = name, 2
    while unique in drawn:
        unique, number = f"{name}-{number}", number + 1
    return Defect(
        id=unique,
        kind="source",
        area="draw",
        title=f"{edit.file}, line {edit.first}: {edit.operator}",
        why=f"Drawn by seed {seed}.",
        expect=Expectation(),
        folder=Path(f"draw-{seed}"),
        equivalent=_same_template(edit) or equivalent(edit),
    )


def _same_template(edit: SourceEdit) -> str:
    if _reader_of(edit.file) is not template_changes:
        return ""
    return "both are the same template" if template_form(edit.before) == template_form(edit.after) else ""
