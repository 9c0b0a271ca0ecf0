"""Does importing the service's modules read its settings? Then no test can set them, and one wrong stops every tool."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from harness.preflight.check import (
    CannotAskError,
    Check,
    ReadinessFinding,
    Scene,
    fine,
    first_few,
    nothing_to_ask,
    unknown,
    wrong,
)
from harness.preflight.programs.engines import service_python
from harness.stack.settings import base_environment

_PROGRAM = Path(__file__).parents[1] / "programs" / "import_program.py"
_SHOWN = 3


def check_import_settings(scene: Scene) -> ReadinessFinding:
    """Modules of the profile's `imports`, imported afresh: none reads a setting that the profile gives."""
    target = scene.target
    if not target.preflight.imports:
        return nothing_to_ask("the profile names no imports")
    if not scene.info.owned or target.service.url:
        return unknown("the service was started by somebody else: its modules are not known here")
    reads = _import(scene, sorted({*target.service.required_env, *target.service.env}))
    said = [f"{read['file']}:{read['line']} reads {read['name']}" for read in reads]
    told = {"modules": list(target.preflight.imports), "reads": said}
    if said:
        return wrong(
            f"settings are read when modules are imported: {first_few(said, _SHOWN)}",
            "read them once, where the service starts, and pass them on",
            value=float(len(said)),
            unit="reads",
            detail=told,
        )
    return fine(
        f"{len(target.preflight.imports)} modules imported, no setting read", value=0.0, unit="reads", detail=told
    )


def _import(scene: Scene, names: list[str]) -> list[dict[str, Any]]:
    environment = {**base_environment(Path(tempfile.gettempdir())), **scene.info.settings}
    mend = "mend [preflight] imports, or what keeps the service's modules from being imported"
    try:
        ran = subprocess.run(
            [service_python(scene, environment["PATH"]), "-c", _PROGRAM.read_text(encoding="utf-8")],
            input=json.dumps({"modules": scene.target.preflight.imports, "names": names}),
            cwd=scene.target.service.cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=scene.target.service.start_timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotAskError(f"the modules could not be imported: {error}", mend) from error
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or [f"status {ran.returncode}"]
        raise CannotAskError(f"the modules could not be imported: {said[-1]}", mend)
    reads: list[dict[str, Any]] = json.loads(ran.stdout)["reads"]
    return reads


CHECKS = (
    Check(
        id="preflight.import_settings",
        order=60,
        subject="service",
        title="imports read no setting",
        ask=check_import_settings,
        starts=True,
    ),
)
