"""A small service with a suite and a policy of its own, the command line that gates it, and what it may have left."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stack_target import folders_of, marked_processes

PROGRAM = """\
import http.server, os, signal, sys, time

how = os.environ.get("HOW", "well")
for number in range(30):
    print(f"line {number}", flush=True)
if how == "dies":
    sys.exit(7)
if how == "dies the second time":
    if os.path.exists("started"):
        sys.exit(8)
    open("started", "w").close()

asked = []

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if self.path == "/die":
            os._exit(9)
        known = self.path in ("/", "/ready", "/slow", "/item")
        status = 200 if known else 404
        if (how == "never ready" and self.path == "/ready") or (how == "broken" and self.path == "/item"):
            status = 503
        if how in ("ready once", "ready twice") and self.path == "/ready":
            status = 200 if len(asked) < (1 if how == "ready once" else 2) else 500
            asked.append(self.path)
        if self.command not in ("GET", "HEAD"):
            status = 405 if known else 404
        body = b"" if self.command == "HEAD" else b'{"fine": true}'
        self.send_response(status)
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "14")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = answer

    def version_string(self):
        return "small"

    def log_message(self, *words):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


SUITE = """\
import pytest

@pytest.mark.check("own.answers", severity="high")
@pytest.mark.parametrize("path", ["/", "/item"])
def test_answers(client, path):
    assert client.get(path).status_code == 200
"""

POLICY = """\
schema = 1
[[criterion]]
id = "own"
area = "e2e"
requires = "The service answers."
select = { check = "own.*" }
"""


@dataclass(frozen=True)
class Small:
    """A folder with the service, its profile, a suite `own` and a policy; and `harness` run against it."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def profile(self) -> Path:
        """The profile's file."""
        return self.folder / "small.toml"

    @property
    def policy(self) -> Path:
        """The policy's file."""
        return self.folder / "policy.toml"

    @property
    def out(self) -> Path:
        """Where its runs are kept."""
        return self.folder / "out"

    @property
    def aimed(self) -> list[str]:
        """Options of a gate of the suite `own` alone."""
        return ["--target", str(self.profile), "--policy", str(self.policy), "--only", "own", "--out", str(self.out)]

    def suite(self, text: str) -> None:
        """Another text for the suite's one file."""
        (self.folder / "own" / "test_own.py").write_text(text)

    def start(self, *words: str, env: Mapping[str, str] | None = None, **how: Any) -> subprocess.Popen[str]:
        """`harness WORDS` in the folder, in a process group of its own."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            cwd=self.folder,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "SMALL_TOKEN": self.token, **(env or {})},
            **pipes,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what a test that failed left running; its supervisors clear up the rest."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def harness(
        self, *words: str, env: Mapping[str, str] | None = None, seconds: float = 100, **how: Any
    ) -> subprocess.CompletedProcess[str]:
        """The same, waited for."""
        with self.start(*words, env=env, **how) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    @property
    def run(self) -> Path:
        """The folder of the latest run."""
        return (self.out / "latest").resolve()

    def document(self, name: str) -> Any:
        """A JSON file of the latest run."""
        return json.loads((self.run / name).read_text())

    def evidence(self) -> list[dict[str, Any]]:
        """The latest run's lines."""
        return [json.loads(line) for line in (self.run / "evidence.jsonl").read_text().splitlines()]

    def processes(self) -> dict[int, str]:
        """Living processes of its runs: started by them, or working in the folder."""
        return dict(self._processes())

    def _processes(self) -> Iterator[tuple[int, str]]:
        sign = f"SMALL_TOKEN={self.token}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    ours = sign in (entry / "environ").read_bytes().split(b"\0")
                    ours = ours or (entry / "cwd").readlink().is_relative_to(self.folder)
                    if ours:
                        yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue

    def pytest_pid(self) -> int | None:
        """The process of pytest that leads a group, once there is one."""
        for pid, command in self.processes().items():
            if " -m pytest " in command and os.getpgid(pid) == pid:
                return pid
        return None

    def left(self) -> list[object]:
        """Processes and folders of its runs that should be gone."""
        found: list[object] = list(self.processes().items())
        for file in self.out.glob("runs/*/run.json"):
            stack = json.loads(file.read_text())["stack"]
            if stack is not None and stack["name"].startswith("run-"):
                mark = stack["name"].removeprefix("run-")
                found += [*marked_processes(mark), *folders_of(mark)]
        return found


def make_small(folder: Path, *lines: str) -> Small:
    """Write all files of a small service into the folder; `lines` are added to `[service]` of its profile."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own").mkdir()
    (folder / "service.py").write_text(PROGRAM)
    absent = ("auth", "cache", "database", "mail", "openapi", "pages", "ratelimit", "workers")
    profile = [
        "schema = 1",
        'name = "small"',
        "[service]",
        'command = ["python", "service.py"]',
        "timeout_s = 2",
        *lines,
    ]
    profile += ["[health]", 'ready = "/ready"', "[suites]", 'paths = ["own"]']
    profile += ["[absent]", *(f'{name} = "it has none"' for name in absent)]
    small = Small(folder)
    small.profile.write_text("\n".join(profile) + "\n")
    small.policy.write_text(POLICY)
    small.suite(SUITE)
    return small
