"""Do the scripts of the service parse, those in files and those in its pages, and are their names allowed?

A browser says nothing to anybody: a page whose script holds a syntax error is only dead. acorn reads them, in Node of
the wheel. What strict mode reserves (`private`) is named too: such a script breaks on the day it becomes a module.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.preflight.check import Check, ReadinessFinding, Scene, nothing_to_ask, unknown
from harness.preflight.files import not_here, own_files, read_text, tally
from harness.preflight.markup import as_rendered, has_tags, inline_scripts
from harness.preflight.programs.node import ask_node, node_missing

_PROGRAM = Path(__file__).parents[1] / "programs" / "scripts.cjs"
_FILES = {".js": "script", ".mjs": "module", ".cjs": "commonjs"}
_MOST_CHARACTERS = 4_000_000
TEMPLATE_SUFFIXES = frozenset({".j2", ".jinja", ".jinja2", ".hbs", ".handlebars"})
_PAGES = TEMPLATE_SUFFIXES | {".html", ".htm"}


@dataclass(frozen=True, slots=True)
class Script:
    """A script in a file, or in a page with what stands before it blank."""

    place: Path
    text: str
    kind: str
    strict: bool = True


def check_scripts(scene: Scene) -> ReadinessFinding:
    """Every script of the service, in a file or in a page, parses, and uses no reserved word as a name."""
    skipped = not_here(scene)
    if skipped is not None:
        return skipped
    top = Path(scene.target.service.cwd)
    found_scripts = [script for path in own_files(top) for script in _scripts(path, top)]
    scripts = within_bound(found_scripts)
    if not found_scripts:
        return nothing_to_ask("the service has no scripts here")
    if not scripts:
        return unknown(f"no script was read: the smallest is beyond {_MOST_CHARACTERS} characters")
    missing = node_missing()
    if missing is not None:
        return unknown(f"{len(scripts)} scripts were not read: {missing}")
    asked = [{"text": script.text, "kind": script.kind, "strict": script.strict} for script in scripts]
    answers = ask_node(_PROGRAM, asked, scene.target.service.start_timeout_s)
    problems = [
        f"{script.place}:{one['line']}:{one['column']}: {one['message']}"
        for script, found in zip(scripts, answers, strict=True)
        for one in found
    ]
    return tally(
        problems,
        wrong_ones=sum(map(bool, answers)),
        count=len(scripts),
        what="scripts parse" + _unread(len(found_scripts) - len(scripts)),
        unit="scripts",
        remedy="mend the script at the line and column that are named; give what has a reserved word's name another",
    )


def within_bound(scripts: Sequence[Script]) -> list[Script]:
    """The smallest of them, as many as are read within seconds: a folder that holds a whole tree of somebody else's
    bundles ended in a time-out, and nothing of it was known.
    """
    total, kept = 0, []
    for script in sorted(scripts, key=lambda one: len(one.text)):
        total += len(script.text)
        if total > _MOST_CHARACTERS:
            break
        kept.append(script)
    return sorted(kept, key=lambda one: str(one.place))


def _unread(count: int) -> str:
    limit = f"{_MOST_CHARACTERS // 1_000_000} million characters"
    return f" ({count} more were not read: {limit} are; [service] cwd may name a smaller folder)" if count else ""


def _scripts(path: Path, top: Path) -> Iterator[Script]:
    place = path.relative_to(top)
    named = Path(path.stem) if path.suffix in TEMPLATE_SUFFIXES else path
    templated = path.suffix in TEMPLATE_SUFFIXES or "templates" in place.parts
    if named.suffix in _FILES:
        text = read_text(path)
        # somebody else's build is not ours to rename
        kind, strict = _kind(path, top), not named.stem.endswith(".min")
        yield Script(place, as_rendered(text) if templated else text, kind, strict)
    elif path.suffix in _PAGES:
        page = read_text(path)
        templated = templated or has_tags(page)
        for inline in inline_scripts(page):
            line_start = page.rfind("\n", 0, inline.start) + 1
            # what stands before it is left out, its place is kept
            before = "\n" * page.count("\n", 0, inline.start) + " " * (inline.start - line_start)
            text = as_rendered(inline.text) if templated else inline.text
            yield Script(place, before + text, "module" if inline.module else "script")


def _kind(path: Path, top: Path) -> str:
    """How Node reads a file: by its suffix, else by the nearest package.json; without one it is a browser's."""
    if path.suffix != ".js":
        return _FILES.get(path.suffix, "script")
    folder = path.parent
    while folder.is_relative_to(top):
        package = folder / "package.json"
        if package.is_file():
            try:
                described = json.loads(read_text(package))
            except (ValueError, RecursionError):
                return "commonjs"
            return "module" if isinstance(described, dict) and described.get("type") == "module" else "commonjs"
        folder = folder.parent
    return "script"


CHECKS = (
    Check(id="preflight.scripts", order=50, subject="service", title="scripts parse", ask=check_scripts, starts=True),
)
