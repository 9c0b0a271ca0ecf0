"""The engines that render templates: Jinja in the service's own Python, Handlebars in Node of the wheel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from harness.preflight.check import CannotAskError, Scene
from harness.preflight.files import read_text
from harness.preflight.programs.node import MEND, ask_node, node_missing
from harness.stack.settings import base_environment

_JINJA = Path(__file__).with_name("jinja_program.py")
_HANDLEBARS = Path(__file__).with_name("handlebars.cjs")


@dataclass(frozen=True, slots=True)
class Rendering:
    """What an engine says of templates."""

    problems: tuple[tuple[Path, int | None, str], ...]
    rendered: frozenset[str] = frozenset()
    usual: bool = True
    """Has it the usual delimiters?"""


@dataclass(frozen=True, slots=True)
class TemplateEngine:
    """What templates are written for; `read` gets their folder, their names, and sample data by name."""

    name: str
    suffixes: frozenset[str]
    read: Callable[[Scene, Path, list[str], Mapping[str, Any]], Rendering]


def _read_jinja(scene: Scene, root: Path, names: list[str], samples: Mapping[str, Any]) -> Rendering:
    told = scene.target.templates
    question = {"root": str(root), "names": names, "environments": told.environments, "samples": samples}
    environment = {**base_environment(Path(tempfile.gettempdir())), **scene.info.settings}
    mend = "mend [templates] environments, or what keeps the service's modules from being imported"
    try:
        ran = subprocess.run(
            [service_python(scene, environment["PATH"]), "-c", _JINJA.read_text(encoding="utf-8")],
            input=json.dumps(question, default=_as_text),
            cwd=scene.target.service.cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=scene.target.service.start_timeout_s,
            check=False,
        )
    except OSError as error:
        raise CannotAskError(f"the templates could not be rendered: {error}", mend) from error
    except subprocess.TimeoutExpired as error:
        raise CannotAskError(f"the templates were not rendered within {error.timeout:g} s", mend) from error
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or [f"status {ran.returncode}"]
        raise CannotAskError(f"the templates could not be rendered: {said[-1]}", mend)
    answer = json.loads(ran.stdout)
    problems = tuple((Path(one["file"]), one["line"], one["message"]) for one in answer["problems"])
    return Rendering(problems, frozenset(answer["rendered"]), answer["usual"])


def service_python(scene: Scene, path: str) -> str:
    """The Python of the service: its command's first word, or the one beside that program; else this one."""
    program = next(iter(scene.target.service.command), "python")
    found = shutil.which(program, path=path)
    if found is None:
        return sys.executable
    beside = Path(found).with_name("python")
    return found if Path(found).name.startswith("python") else str(beside) if beside.exists() else sys.executable


def _as_text(moment: object) -> str:
    """TOML's dates for JSON."""
    if isinstance(moment, date | time):
        return moment.isoformat()
    raise TypeError(type(moment).__name__)


def _read_handlebars(scene: Scene, root: Path, names: list[str], samples: Mapping[str, Any]) -> Rendering:
    missing = node_missing()
    if missing is not None:
        raise CannotAskError(f"{len(names)} templates were not read: {missing}", MEND)
    helpers = scene.target.templates.helpers
    question = {
        "root": str(root),
        "files": {name: read_text(root / name) for name in names},
        "helpers": str(Path(scene.target.service.cwd, helpers)) if helpers else None,
        "samples": json.loads(json.dumps(samples, default=_as_text)),
    }
    patience_s = scene.target.service.start_timeout_s
    answer = ask_node(_HANDLEBARS, question, patience_s, "mend [templates] helpers" if helpers else MEND)
    problems = tuple((Path(one["file"]), one["line"], one["message"]) for one in answer["problems"])
    return Rendering(problems, frozenset(answer["rendered"]))


ENGINES: Mapping[str, TemplateEngine] = {
    "jinja2": TemplateEngine(
        "Jinja", frozenset({".html", ".htm", ".j2", ".jinja", ".jinja2", ".xml", ".txt", ".js", ".mjs"}), _read_jinja
    ),
    "handlebars": TemplateEngine("Handlebars", frozenset({".hbs", ".handlebars"}), _read_handlebars),
}
