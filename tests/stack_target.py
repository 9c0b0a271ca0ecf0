"""A target small enough to start a hundred times, and how to look for what a stack left behind."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.model import Health, Service, Target, Workers

PROGRAM = """\
import http.server, json, os, signal, sys, time

def boast(text):
    print(text, file=sys.stderr, flush=True)

boast("the service begins")
if "FAIL" in os.environ:
    for number in range(30):
        boast(f"line {number}")
    sys.exit(int(os.environ["FAIL"]))
time.sleep(float(os.environ.get("DELAY", "0")))
if "CHILDREN" in os.environ:
    for _ in range(int(os.environ["CHILDREN"])):
        if os.fork() == 0:
            os.setsid()
            signal.pause()

if "MEET" in os.environ:
    open(os.path.join(os.environ["MEET"], os.environ["PORT"]), "w").close()

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        alone = len(os.listdir(os.environ["MEET"])) < int(os.environ["MEETING"]) if "MEET" in os.environ else False
        status = 503 if self.path == "/ready" and ("SICK" in os.environ or alone) else 200
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

told = []

def end(*_):
    told.append("TERM")
    if "DRAINS" not in os.environ:
        sys.exit(0)
    if len(told) > 1:
        with open(os.environ["DRAINS"], "w") as file:
            file.write("cut short")
        sys.exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if "STUBBORN" in os.environ else end)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def small_target(
    folder: Path,
    *,
    needs: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    prepare: tuple[tuple[str, ...], ...] = (),
    workers: Workers | None = None,
    command: tuple[str, ...] = ("python", "service.py"),
    start_timeout_s: float = 20.0,
    name: str = "small",
) -> Target:
    """A profile of the small service, its program written into `folder`."""
    (folder / "service.py").write_text(PROGRAM)
    return Target(
        name=name,
        source=str(folder / "small.toml"),
        service=Service(
            command=command,
            cwd=str(folder),
            needs=needs,
            env=dict(env or {}),
            prepare=prepare,
            timeout_s=5.0,
            start_timeout_s=start_timeout_s,
        ),
        workers=workers or Workers(),
        health=Health(live="/live", ready="/ready"),
    )


def marked_processes(mark: str) -> list[str]:
    """Command lines of living processes that carry a stack's mark, its supervisor's among them."""
    signs = {f"HARNESS_STACK={mark}".encode(), f"HARNESS_SUPERVISOR={mark}".encode()}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if signs & set((entry / "environ").read_bytes().split(b"\0")):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def folders_of(mark: str) -> list[Path]:
    """Folders of a stack that are still there."""
    places = (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - looked at, not used
    return [place / f"harness-{mark}" for place in places if (place / f"harness-{mark}").exists()]


def listens(port: int) -> bool:
    """Whether anybody accepts connections at that port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def eventually(what: Callable[[], object], seconds: float = 10.0) -> bool:
    """Whether `what` becomes true before a deadline, looked at again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.02)
    return bool(what())
