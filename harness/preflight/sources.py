"""Do the service's own files parse? A mistake in one of them would else show in the middle of a run, or in production.

Only what can be known without running the service: Python's syntax, and Jinja's in the folders named `templates` of a
service that uses Jinja. `${{` inside a script is named apart: whoever wrote it meant JavaScript,
and Jinja takes it for its own.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from harness.preflight.check import Finding, Scene, fine, nothing_to_ask, unknown, wrong

_NOT_OURS = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build", "venv", "env"})
_MOST_FILES = 2000
_MOST_NAMED = 5
_TEMPLATE_SUFFIXES = frozenset({".html", ".htm", ".j2", ".jinja", ".jinja2", ".xml", ".txt"})
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_USES_JINJA = re.compile(r"^\s*(?:import jinja2|from jinja2[. ])|\bJinja2Templates\b|\bflask\b", re.MULTILINE)


def check_sources(scene: Scene) -> Finding:
    """Every Python file of the service compiles."""
    skipped = _not_here(scene)
    if skipped is not None:
        return skipped
    files = [path for path in _files(Path(scene.target.service.cwd)) if path.suffix == ".py"]
    if not files:
        return nothing_to_ask("the service has no Python sources here")
    problems = [said for path in files if (said := _python_problem(path, Path(scene.target.service.cwd)))]
    return _found(problems, len(files), "Python files compile", "files")


def check_templates(scene: Scene) -> Finding:
    """Every Jinja template of the service parses, and none holds `${{`."""
    skipped = _not_here(scene)
    if skipped is not None:
        return skipped
    top = Path(scene.target.service.cwd)
    files = list(_files(top))
    templates = [
        path for path in files if "templates" in path.relative_to(top).parts and path.suffix in _TEMPLATE_SUFFIXES
    ]
    uses_jinja = any(path.suffix == ".py" and _USES_JINJA.search(_text(path)) for path in files)
    if not templates or not uses_jinja:
        return nothing_to_ask("the service has no Jinja templates here")
    problems = [said for path in templates if (said := _template_problem(path, top))]
    return _found(problems, len(templates), "templates parse", "templates")


def _not_here(scene: Scene) -> Finding | None:
    service = scene.target.service
    if not scene.info.owned or service.url or not (service.command or service.dockerfile):
        return unknown("the service was started by somebody else: its sources are not known here")
    return None


def _found(problems: list[str], count: int, what: str, unit: str) -> Finding:
    right = count - len(problems)
    if problems:
        more = f"; and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        shown = "; ".join(problems[:_MOST_NAMED]) + more
        return wrong(
            f"{right} of {count} {what}: {shown}",
            "mend the file at the line that is named",
            value=float(right),
            unit=unit,
            n=count,
            detail={"problems": problems},
        )
    return fine(f"{count} {what}", value=float(count), unit=unit, n=count)


def _files(top: Path) -> Iterator[Path]:
    """Files below the service's folder, its dependencies and hidden folders left out; a bounded number."""
    count = 0
    for folder, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in _NOT_OURS and not name.startswith("."))
        for name in sorted(files):
            count += 1
            if count > _MOST_FILES:
                return
            yield Path(folder, name)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _python_problem(path: Path, top: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        return f"{path.relative_to(top)}{line}: {what}"
    return ""


def _template_problem(path: Path, top: Path) -> str:
    import jinja2

    text = _text(path)
    clash = next((at for script in _SCRIPT.finditer(text) if (at := text.find("${{", *script.span())) >= 0), None)
    if clash is not None:
        line = text.count("\n", 0, clash) + 1
        return f"{path.relative_to(top)}:{line}: Jinja takes the braces of '${{{{' in a script for its own"
    # the extensions that ship with Jinja: their tags are no mistake
    known = ["jinja2.ext.do", "jinja2.ext.loopcontrols", "jinja2.ext.i18n"]
    try:
        jinja2.Environment(autoescape=True, extensions=known).parse(text)
    except jinja2.TemplateSyntaxError as error:
        return f"{path.relative_to(top)}:{error.lineno}: {error.message}"
    return ""
