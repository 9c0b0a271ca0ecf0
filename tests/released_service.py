"""A service with a history: a repository of two releases and a profile, and the command line beside it."""

from __future__ import annotations

import difflib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICE = """\
import http.server, os, signal, sys, threading

RELEASE = "{release}"
LEVEL = os.environ.get("LEVEL", "usual")
if LEVEL == "broken":
    sys.exit("the setting is broken")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status = 200
        if self.path == "/items" and LEVEL == "bad":
            status = 500
        body = f"{{RELEASE}} {{LEVEL}}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""

WORKER = """\
import os, sys, time
if os.environ.get("LEVEL") == "lame":
    sys.exit("the worker cannot work so")
print("at work", flush=True)
while True:
    time.sleep(60)
"""
WORKERS = """\
[workers]
command = ["python", "worker.py"]
ready = "at work"
count = 2
"""
PROFILE = """\
schema = 1
name = "released"

[service]
cwd = "service"
command = ["python", "service.py"]
start_timeout_s = 20
timeout_s = 5
needs = [{needs}]
{service}

[health]
live = "/live"
ready = "/ready"

[load.paths]
"/" = 1
"/items" = 1

{more}
"""
DRILL = """\
[releases.drill]
settings = { LEVEL = "bad" }
patch = "bad.patch"
"""


def bad_patch(release: str) -> str:
    """What makes the code of that release fail on one path."""
    good = SERVICE.format(release=release)
    bad = good.replace(' and LEVEL == "bad"', "")
    names = ("a/service/service.py", "b/service/service.py")
    return "".join(difflib.unified_diff(good.splitlines(keepends=True), bad.splitlines(keepends=True), *names))


class Released:
    """A user's folder under git: tag `one`, then `two`, which is what the folder holds."""

    def __init__(self, folder: Path, *, more: str = DRILL, **files: str) -> None:
        """`more` is of the profile, `files` are of both releases."""
        self.folder = folder
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder / "state"),
            "NO_COLOR": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        (folder / "service").mkdir()
        (folder / ".gitignore").write_text("state/\n__pycache__/\n")
        self.git("init", "-q")
        self.profile(more=more)
        self.release("one", **files)
        self.git("tag", "one")
        self.release("two")
        self.git("tag", "two")

    def profile(self, *, needs: str = "", service: str = "", more: str = DRILL) -> Path:
        """Write the profile."""
        (self.folder / "bad.patch").write_text(bad_patch("two"))
        path = self.folder / "released.toml"
        path.write_text(PROFILE.format(needs=needs, service=service, more=more))
        return path

    def release(self, name: str, **files: str) -> None:
        """Commit the service as that release, with more files of it."""
        self.program(SERVICE.format(release=name), **files)

    def program(self, text: str, **files: str) -> None:
        """Commit that program as the service."""
        (self.folder / "service" / "service.py").write_text(text)
        for path, text in files.items():
            (self.folder / "service" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "service" / path).write_text(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "a release")

    def git(self, *words: str) -> None:
        identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        subprocess.run(["git", "-C", str(self.folder), *identity, *words], check=True, env=self.environment)

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
        out, err = process.communicate(timeout=380)
        assert process.returncode == status, (words, process.returncode, out, err)
        return out, err

    def up(self, *words: str) -> None:
        self.run("up", "--target", str(self.folder / "released.toml"), "--instances", "2", *words)

    def roll(self, *words: str, status: int = 0) -> tuple[str, str]:
        return self.run("up", "--target", str(self.folder / "released.toml"), "--roll", *words, status=status)

    def rollback(self, *words: str, status: int = 0) -> dict[str, Any]:
        return json.loads(self.run("rollback", "--rate", "40", "--json", *words, status=status)[0])

    def refused(self, *words: str) -> str:
        """The one line of a rollback that cannot be."""
        out, err = self.run("rollback", *words, status=2)
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert (out, len(lines)) == ("", 1), (out, err)
        return lines[0]

    @property
    def state(self) -> Path:
        return self.folder / "state" / "harness" / "stacks" / "default"

    def info(self) -> dict[str, Any]:
        return json.loads((self.state / "stack.json").read_text())

    def processes(self, program: str = "service.py") -> list[str]:
        """Command lines of that program's processes that the stack's supervisor has."""
        supervisor = self.info()["supervisor_pid"]
        found = []
        for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found += [command] if program in command else []
        return found

    def journal(self) -> list[dict[str, Any]]:
        """The whole lines of the newest journal."""
        paths = sorted((self.state / "rollback").glob("*.jsonl"))
        text = paths[-1].read_text() if paths else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def kill_when(self, process: subprocess.Popen[str], happened: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Kill a command once its journal says so, or when it has ended."""
        while process.poll() is None and not happened(self.journal()):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
