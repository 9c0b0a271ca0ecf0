"""Do the service's own Python files compile? A mistake would else show in the middle of a run, or in production."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

from harness.preflight.check import Check, ReadinessFinding, Scene, nothing_to_ask
from harness.preflight.files import not_here, own_files, tally


def check_sources(scene: Scene) -> ReadinessFinding:
    """Every Python file of the service compiles."""
    skipped = not_here(scene)
    if skipped is not None:
        return skipped
    files = [path for path in own_files(Path(scene.target.service.cwd)) if path.suffix == ".py"]
    if not files:
        return nothing_to_ask("the service has no Python sources here")
    problems = [said for path in files if (said := _python_problem(path, Path(scene.target.service.cwd)))]
    return tally(problems, wrong_ones=len(problems), count=len(files), what="Python files compile", unit="files")


def _python_problem(path: Path, top: Path) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        return f"{path.relative_to(top)}{line}: {what}"
    return None


CHECKS = (Check(id="preflight.sources", order=30, subject="service", title="sources compile", ask=check_sources),)
