"""Do the service's own files parse? A mistake in one of them would else show in the middle of a run, or in production.

Only what can be known without running the service: Python's syntax, and Jinja's in the folders named `templates` of a
service that uses Jinja. `${{` inside a script is named apart: whoever wrote it meant JavaScript,
and Jinja takes it for its own.
"""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

from harness.preflight.check import Finding, Scene, nothing_to_ask
from harness.preflight.files import not_here, own_files, read_text, tally

_TEMPLATE_SUFFIXES = frozenset({".html", ".htm", ".j2", ".jinja", ".jinja2", ".xml", ".txt"})
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_USES_JINJA = re.compile(r"^\s*(?:import jinja2|from jinja2[. ])|\bJinja2Templates\b|\bflask\b", re.MULTILINE)


def check_sources(scene: Scene) -> Finding:
    """Every Python file of the service compiles."""
    skipped = not_here(scene)
    if skipped is not None:
        return skipped
    files = [path for path in own_files(Path(scene.target.service.cwd)) if path.suffix == ".py"]
    if not files:
        return nothing_to_ask("the service has no Python sources here")
    problems = [said for path in files if (said := _python_problem(path, Path(scene.target.service.cwd)))]
    return tally(problems, wrong_ones=len(problems), count=len(files), what="Python files compile", unit="files")


def check_templates(scene: Scene) -> Finding:
    """Every Jinja template of the service parses, and none holds `${{`."""
    skipped = not_here(scene)
    if skipped is not None:
        return skipped
    top = Path(scene.target.service.cwd)
    files = list(own_files(top))
    templates = [
        path for path in files if "templates" in path.relative_to(top).parts and path.suffix in _TEMPLATE_SUFFIXES
    ]
    uses_jinja = any(path.suffix == ".py" and _USES_JINJA.search(read_text(path)) for path in files)
    if not templates or not uses_jinja:
        return nothing_to_ask("the service has no Jinja templates here")
    problems = [said for path in templates if (said := _template_problem(path, top))]
    return tally(problems, wrong_ones=len(problems), count=len(templates), what="templates parse", unit="templates")


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

    text = read_text(path)
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
