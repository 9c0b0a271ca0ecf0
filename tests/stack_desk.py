"""A user's folder with a profile of the small service, and the command line in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.stack_target import small_target

PROFILE = """\
schema = 1
name = "{name}"

[service]
cwd = "."
command = ["python", "service.py"]
needs = [{needs}]
start_timeout_s = 20

[service.env]
MODE = "{mode}"

[health]
live = "/live"
ready = "/ready"
"""


class Desk:
    """A user's folder with a profile, and the command line in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}
        small_target(folder)
        self.profile = folder / "small.toml"
        self.write()

    def write(self, *, name: str = "small", needs: str = '"valkey"', mode: str = "one") -> None:
        self.profile.write_text(PROFILE.format(name=name, needs=needs, mode=mode))

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, status: int = 0) -> tuple[str, str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, (words, process.returncode, out, err)
        return out, err

    def up(self, *words: str, status: int = 0) -> tuple[str, str]:
        return self.run("up", "--target", str(self.profile), *words, status=status)

    def status(self, *words: str) -> dict[str, Any]:
        return json.loads(self.run("status", "--json", *words)[0])

    def keeper(self, name: str = "default") -> dict[str, Any]:
        return json.loads((self.folder / "state" / "harness" / "stacks" / name / "keeper.json").read_text())
