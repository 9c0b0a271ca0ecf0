"""Do the service's templates parse, and render with sample data, every name being defined?

A template with a mistake is an error page for whoever comes first, and only on the way that leads through it. Where
the profile describes them (`[templates]`), the service's own environment renders them, with its filters. Where it says
nothing, Jinja templates in folders named `templates` are parsed.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from harness.machine.decoding import Reader
from harness.preflight.check import CannotAskError, Check, ReadinessFinding, Scene, first_few, nothing_to_ask, wrong
from harness.preflight.files import not_here, own_files, read_text, tally
from harness.preflight.markup import inline_scripts
from harness.preflight.programs.engines import ENGINES, Rendering, TemplateEngine
from harness.preflight.unclosed import COMMENTS, without_unclosed

_SCRIPT = re.compile(r"\.m?js(\.|$)")
_USES_JINJA = re.compile(r"^[ \t]*+(?:import jinja2|from jinja2[. ])|\bJinja2Templates\b|\bflask\b", re.MULTILINE)
_MOST_NAMED = 3
_SAMPLES, _COMMON = Reader(dict[str, dict[str, Any] | list[dict[str, Any]]]), Reader(dict[str, Any])
# What of a template is no tag, or one with everything in it that belongs to strings.
_STRINGS = r"\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+'"
_TAGS = re.compile(
    r"\{%[-+]?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*[-+]?%\}|\{\{\{\{(?P<block>\w+)\}\}\}\}.*?\{\{\{\{/(?P=block)\}\}\}\}"
    r"|(?<!\{)\{\#.*?\#\}|\{\{!--.*?--\}\}|\{\{![^{}]*+\}\}|\\\{\{"
    rf"|(?P<open>\{{\{{\{{?|\{{%)(?>{_STRINGS}|(?!\}}\}}|%\}}|\{{\{{|\{{%).)*+(?P<next>\}}\}}|%\}}|\{{\{{|\{{%)",
    re.DOTALL,
)
# JavaScript's template literals, with whatever could only look as if it began one.
_LITERALS = re.compile(
    r"//[^\n]*+|/\*.*?(?:\*/|\Z)|'(?:\\.|[^'\\\n])*+'?|\"(?:\\.|[^\"\\\n])*+\"?"
    r"|(?P<literal>`(?:\\.|[^`\\])*+`)|`(?:\\.|[^`\\])*+\Z",
    re.DOTALL,
)
_DOLLAR = re.compile(r"(?<!\\)\$\{\{(?!\{)")
_RAW = re.compile(
    r"\{%[-+]?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*[-+]?%\}|(?<!\{)\{#.*?#\}|\{\{!--.*?--\}\}"
    r"|\{\{\{\{(?P<block>\w+)\}\}\}\}.*?\{\{\{\{/(?P=block)\}\}\}\}",
    re.DOTALL,
)


def check_templates(scene: Scene) -> ReadinessFinding:
    """Every template of the service parses, renders with its samples, and takes no braces for its own by mistake."""
    skipped = not_here(scene)
    if skipped is not None:
        return skipped
    top, told = Path(scene.target.service.cwd), scene.target.templates
    if told.engine is None:
        return _guessed(top)
    root = top / told.path
    if not root.is_dir():
        return wrong(f"there is no folder {told.path} of templates", "mend [templates] path; it is relative to cwd")
    return _rendered(scene, root, ENGINES[told.engine])


def _rendered(scene: Scene, root: Path, engine: TemplateEngine) -> ReadinessFinding:
    top, told = Path(scene.target.service.cwd), scene.target.templates
    paths = {str(path.relative_to(root)): path for path in own_files(root) if path.suffix in engine.suffixes}
    if not paths:
        return nothing_to_ask(f"the service has no templates in {told.path}")
    samples = _samples(top / told.samples) if told.samples else {}
    read = engine.read(scene, root, list(paths), samples)
    strays = tuple((top / told.samples, None, f"there is no template {name}") for name in samples if name not in paths)
    found = _described(top, engine.name, paths.values(), replace(read, problems=(*strays, *read.problems)))
    left = sorted(paths.keys() - read.rendered - samples.keys())
    named = first_few(left, _MOST_NAMED, between=", ", then=" and")
    unseen = f"; not rendered, for want of a sample: {named}" if left else ""
    what = f"templates parse, {len(paths) - len(left)} were rendered with samples{unseen}"
    return _tally(found, len(paths), "templates are sound" if found else what, {"not_rendered": left})


def _guessed(top: Path) -> ReadinessFinding:
    files, jinja = list(own_files(top)), ENGINES["jinja2"]
    paths = [path for path in files if "templates" in path.relative_to(top).parts and path.suffix in jinja.suffixes]
    uses_jinja = any(path.suffix == ".py" and _USES_JINJA.search(read_text(path)) for path in files)
    if not paths or not uses_jinja:
        return nothing_to_ask("the service has no Jinja templates here")
    read = Rendering(tuple(one for path in paths if (one := _syntax_problem(path))))
    return _tally(_described(top, jinja.name, paths, read), len(paths), "templates parse", {})


def _described(top: Path, engine: str, paths: Iterable[Path], read: Rendering) -> list[str]:
    """Problems in words, each once. What a collision explains is not told again in the engine's words."""
    clashes = [
        (path, line, message)
        for path in (paths if read.usual else ())
        for line, message in _collisions(read_text(path), script=bool(_SCRIPT.search(path.name)), engine=engine)
    ]
    explained = {path for path, _, _ in clashes}
    told = [*clashes, *(one for one in read.problems if one[0] not in explained)]
    lines = (
        f"{path.relative_to(top) if path.is_relative_to(top) else path}{f':{line}' if line else ''}: {message}"
        for path, line, message in told
    )
    return list(dict.fromkeys(lines))


def _tally(problems: list[str], count: int, what: str, more: Mapping[str, Any]) -> ReadinessFinding:
    broken = len({problem.partition(":")[0] for problem in problems})
    return tally(problems, wrong_ones=broken, count=count, what=what, unit="templates", more=more)


def _syntax_problem(path: Path) -> tuple[Path, int | None, str] | None:
    import jinja2

    # the extensions that ship with Jinja: their tags are no mistake
    known = ["jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n"]
    try:
        jinja2.Environment(autoescape=True, extensions=known).parse(read_text(path))
    except jinja2.TemplateSyntaxError as error:
        return path, error.lineno, str(error.message)
    except RecursionError:
        return path, None, "nests too deeply to be parsed"
    return None


def _samples(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Sample data by template, from a TOML or JSON file: a table, or a list of them, each for one rendering. What
    stands under `*` belongs to every one. Raises CannotAskError.
    """
    mend = "mend [templates] samples, or the file that it names"
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise CannotAskError(f"{path.name} cannot be read: {error}", mend) from error
    try:
        written = _SAMPLES.data(data)
        common = _COMMON.data(written.pop("*", {}))
    except msgspec.ValidationError as error:
        what = "a table of values, or a list of them, was expected for each template"
        raise CannotAskError(f"{path.name}: {what} ({error})", mend) from error
    samples = {name: given if isinstance(given, list) else [given] for name, given in written.items()}
    return {name: [{**common, **each} for each in given] for name, given in samples.items()}


def _collisions(text: str, *, script: bool, engine: str) -> Iterator[tuple[int, str]]:
    """Braces that the engine takes for its own although somebody else's were meant, and tags opened in tags.

    Line and message of each: the engine's own names a line far away, or there is none and the page is wrong. `script`:
    the whole template is one.
    """
    dollars = set(_dollars(text, script=script))
    lines = [found.start() for found in re.finditer("\n", text)]
    for at in sorted(dollars):
        yield _line(lines, at), f"{engine} takes the braces of '${{{{' in a script's template literal for its own"
    for opened, followed in _nested(text):
        # that the braces of a script close nothing is no news
        if opened - 1 not in dollars:
            first, second = _line(lines, opened), _line(lines, followed)
            where = "in it" if first == second else f"at line {second}"
            one, other = text[opened : opened + 2], text[followed : followed + 2]
            yield first, f"'{one}' is not closed before '{other}' {where}"


def _dollars(text: str, *, script: bool) -> Iterator[int]:
    hidden = [raw.span() for raw in _RAW.finditer(without_unclosed(text, COMMENTS))]
    for start, body in [(0, text)] if script else [(one.start, one.text) for one in inline_scripts(text)]:
        for found in _LITERALS.finditer(body):
            for dollar in _DOLLAR.finditer(found["literal"] or ""):
                at = start + found.start() + dollar.start()
                before = bisect_right(hidden, (at, len(text))) - 1
                if before < 0 or at >= hidden[before][1]:
                    yield at


def _nested(text: str) -> Iterator[tuple[int, int]]:
    """Where a tag begins that is not closed before the next one, and where that begins."""
    text = without_unclosed(text, COMMENTS)
    at = 0
    while (tag := _TAGS.search(text, at)) is not None:
        at = tag.end()
        if tag["next"] in {"{{", "{%"}:
            # the next one is a tag of its own, and is looked at again
            at = tag.start("next")
            yield tag.start(), at


def _line(lines: list[int], at: int) -> int:
    return bisect_left(lines, at) + 1


CHECKS = (
    Check(
        id="preflight.templates",
        order=40,
        subject="service",
        title="templates render",
        ask=check_templates,
        starts=True,
    ),
)
