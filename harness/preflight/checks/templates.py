"""Do the service's templates parse, and render with sample data, every name being defined?

A template with a mistake is an error page for whoever comes first, and only on the way that leads through it. Where
the profile describes them (`[templates]`), the service's own environment renders them, with its filters. Where it says
nothing, Jinja templates in folders named `templates` are parsed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.preflight.check import CannotAskError, Finding, Scene, nothing_to_ask, wrong
from harness.preflight.checks.collisions import collisions
from harness.preflight.files import not_here, own_files, read_text, tally
from harness.preflight.programs.engines import ENGINES, Read

_SCRIPT = re.compile(r"\.m?js(\.|$)")
_USES_JINJA = re.compile(r"^[ \t]*+(?:import jinja2|from jinja2[. ])|\bJinja2Templates\b|\bflask\b", re.MULTILINE)
_MOST_NAMED = 3


def check_templates(scene: Scene) -> Finding:
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
    engine = ENGINES[told.engine]
    paths = {str(path.relative_to(root)): path for path in own_files(root) if path.suffix in engine.suffixes}
    if not paths:
        return nothing_to_ask(f"the service has no templates in {told.path}")
    samples = _samples(top / told.samples) if told.samples else {}
    read = engine.read(scene, root, list(paths), samples)
    strays = tuple((top / told.samples, None, f"there is no template {name}") for name in samples if name not in paths)
    found = _described(top, engine.name, paths.values(), replace(read, problems=(*strays, *read.problems)))
    left = sorted(paths.keys() - read.rendered - samples.keys())
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    unseen = f"; not rendered, for want of a sample: {', '.join(left[:_MOST_NAMED])}{more}" if left else ""
    what = f"templates parse, {len(paths) - len(left)} were rendered with samples{unseen}"
    return _tally(found, len(paths), "templates are sound" if found else what, {"not_rendered": left})


def _guessed(top: Path) -> Finding:
    files, jinja = list(own_files(top)), ENGINES["jinja2"]
    paths = [path for path in files if "templates" in path.relative_to(top).parts and path.suffix in jinja.suffixes]
    uses_jinja = any(path.suffix == ".py" and _USES_JINJA.search(read_text(path)) for path in files)
    if not paths or not uses_jinja:
        return nothing_to_ask("the service has no Jinja templates here")
    read = Read(tuple(one for path in paths if (one := _syntax_problem(path))))
    return _tally(_described(top, jinja.name, paths, read), len(paths), "templates parse", {})


def _described(top: Path, engine: str, paths: Iterable[Path], read: Read) -> list[str]:
    """Problems in words, each once. What a collision explains is not told again in the engine's words."""
    clashes = [
        (path, line, message)
        for path in (paths if read.usual else ())
        for line, message in collisions(read_text(path), script=bool(_SCRIPT.search(path.name)), engine=engine)
    ]
    explained = {path for path, _, _ in clashes}
    told = [*clashes, *(one for one in read.problems if one[0] not in explained)]
    lines = (
        f"{path.relative_to(top) if path.is_relative_to(top) else path}{f':{line}' if line else ''}: {message}"
        for path, line, message in told
    )
    return list(dict.fromkeys(lines))


def _tally(problems: list[str], count: int, what: str, more: Mapping[str, Any]) -> Finding:
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
    if not isinstance(data, dict):
        raise CannotAskError(f"{path.name} holds no table of templates", mend)
    common = data.pop("*", {})
    samples = {name: given if isinstance(given, list) else [given] for name, given in data.items()}
    if not all(isinstance(each, dict) for each in [common, *(one for given in samples.values() for one in given)]):
        raise CannotAskError(f"{path.name}: a table of values, or a list of them, was expected for each template", mend)
    return {name: [{**common, **each} for each in given] for name, given in samples.items()}
