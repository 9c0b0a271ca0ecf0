"""Runs a small suite by a real pytest of its own, as a QA engineer does or as the gate does, and reads what it left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from harness.config import load_target, target_document
from harness.machine.bundle import root
from harness.run import create_run, open_run
from harness.stack import launch
from tests.stack_target import PROGRAM, eventually, listens

PROFILE = """\
schema = 1
name = "small"

[service]
cwd = "."
command = ["python", "service.py"]
needs = [{needs}]
timeout_s = 3
start_timeout_s = 20

[service.env]
SECRET_KEY = "{{secret.SECRET_KEY}}"

[health]
live = "/live"
ready = "/ready"
"""


@dataclass(frozen=True)
class Ended:
    """A session that ended: its exit status, what it printed, and the run it left (None if it left none)."""

    status: int
    out: str
    err: str
    run: Path | None
    words: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        assert self.run is not None, self.out + self.err
        document: dict[str, Any] = json.loads((self.run / "run.json").read_text())
        return document

    @property
    def lines(self) -> list[dict[str, Any]]:
        assert self.run is not None, self.out + self.err
        return [json.loads(line) for line in (self.run / "evidence.jsonl").read_text().splitlines()]

    def of(self, check: str) -> list[dict[str, Any]]:
        """All lines of a check."""
        return [line for line in self.lines if line["check"] == check]

    def the(self, check: str) -> dict[str, Any]:
        """The one line of a check."""
        found = self.of(check)
        assert len(found) == 1, (check, found, self.out)
        return found[0]

    def files(self) -> list[Path]:
        assert self.run is not None
        return [file for file in sorted(self.run.rglob("*")) if file.is_file()]


class Bench:
    """A folder with a profile, a service and suites."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = folder / "small.toml"
        (folder / "service.py").write_text(PROGRAM)
        self.describe()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CI"))}
        self.environment = kept | {"XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1", "COLUMNS": "200"}

    def describe(self, more: str = "", needs: str = "", service: str = "") -> None:
        """Write the profile; `service` replaces the service's program."""
        self.profile.write_text(PROFILE.format(needs=needs) + dedent(more))
        if service:
            (self.folder / "service.py").write_text(dedent(service))

    def suite(self, text: str, name: str = "probe/test_it.py") -> Path:
        """Write a file of tests."""
        path = self.folder / "suites" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    def run(self, *words: str, target: bool = True) -> Ended:
        """As a person runs it: the plugin starts the stack and makes the run."""
        given = ["--target", str(self.profile)] if target else []
        ended = self._pytest(*given, *words)
        latest = self.folder / "reports" / "latest"
        return Ended(*ended, run=latest.resolve() if latest.exists() else None, words=words)

    def run_in_gate(self, *words: str, backend: str = "embedded") -> Ended:
        """As the gate runs it: stack and run are given, and closed by whoever gave them."""
        target = load_target(str(self.profile), root())
        run = create_run(
            self.folder / "reports",
            kind="gate",
            target=target,
            policy=None,
            commit=None,
            documents={"profile": target_document(target)},
        )
        with launch(target, backend=backend) as stack:
            given = ["--run", str(run.path), "--stack-file", str(Path(stack.info.state_dir) / "stack.json")]
            ended = self._pytest(*given, *words)
        open_run(run.path).close("finished")
        return Ended(*ended, run=run.path, words=words)

    @contextmanager
    def stranger(self) -> Iterator[str]:
        """The URL of a service that this harness did not start."""
        environment = {**os.environ, "PORT": str(port := free_port())}
        service = subprocess.Popen([sys.executable, str(self.folder / "service.py")], env=environment)
        try:
            assert eventually(lambda: listens(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            service.kill()
            service.wait(30)

    def run_as(self, how: str, workers: int, *words: str) -> Ended:
        """In one of both ways ("by hand", "in the gate"), with xdist's workers or none."""
        many = ("-n", str(workers)) if workers else ()
        return (self.run if how == "by hand" else self.run_in_gate)(*many, *words)

    def _pytest(self, *words: str) -> tuple[int, str, str]:
        with closing(_Process(self.command(*words), self.folder, self.environment)) as process:
            return process.end()

    def command(self, *words: str) -> list[str]:
        usual = ["-c", str(root() / "pytest.ini"), "--rootdir", str(root()), "-p", "no:cacheprovider", "-q"]
        paths = [] if any("suites" in word for word in words) else ["suites"]
        return [sys.executable, "-m", "pytest", *usual, *words, *paths]


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Process:
    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> tuple[int, str, str]:
        out, err = self._process.communicate(timeout=100)
        return self._process.returncode, out, err

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
