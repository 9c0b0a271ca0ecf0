"""`make examples`: what the example services need: packages from npm and PyPI, Go, and a build by it.

Needs `.venv` (make setup), no root. nginx is the machine's own (apt-get install nginx-light). Says each step in a
line; with nothing to do it takes a moment.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tools.setup import stamp
from tools.setup.__main__ import ROOT, VENV, step
from tools.setup.commands import SetupError, Words, run
from tools.setup.node_packages import Node
from tools.setup.python_packages import Uv, cache_folder, get_uv

EXAMPLES = ROOT / "examples"
_INPUTS = {
    "express": ("package-lock.json",),
    "django": ("requirements.lock",),
    "go": ("requirements.lock", "go.mod", "*.go", "*.json", "*.html", "files/*"),
}
_MADE = {"express": "node_modules", "django": ".venv", "go": "build"}


def main() -> int:
    """Install what is missing or stale. Returns the exit status: 0, or 4 where it could not."""
    try:
        _link_node()
        stale = [name for name in _INPUTS if _is_stale(name)]
        if stale:
            uv = get_uv(ROOT, cache_folder(ROOT, os.environ), os.environ)
            for name, install in (("express", _get_express), ("django", _get_django), ("go", _build_go)):
                if name in stale:
                    install(EXAMPLES / name, uv)
                    _note(name).write_text(_digest(name), encoding="utf-8")
    except SetupError as error:
        print(f"examples: failed at {error}", file=sys.stderr)
        print(error.output, file=sys.stderr)
        return 4
    return 0


def _link_node() -> None:
    """`node` in a profile is found beside the Python that runs the harness, on a machine without Node too."""
    link = VENV / "bin" / "node"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(Node(VENV, os.environ).executable)


def _get_express(folder: Path, uv: Uv) -> None:
    with step("Express from npm, by Node of the wheel"):
        node = Node(VENV, uv.environment)
        node.install(folder, folder / "build")
        modules = folder / _MADE["express"]
        shutil.rmtree(modules, ignore_errors=True)
        (folder / "build" / "node_modules").rename(modules)
        shutil.rmtree(folder / "build")


def _get_django(folder: Path, uv: Uv) -> None:
    with step("Django from PyPI, as its requirements.lock pins it"):
        _sync(folder, folder / _MADE["django"], uv)


def _build_go(folder: Path, uv: Uv) -> None:
    home = VENV / "go"
    with step("Go from PyPI (71 MB)"):
        _sync(folder, home, uv)
    with step("the service in Go, built"):
        cache = cache_folder(ROOT, os.environ)
        # nothing is fetched: the service needs the standard library alone
        own = {"CGO_ENABLED": "0", "GOENV": "off", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
        own |= {"GOCACHE": str(cache / "go-build"), "GOPATH": str(cache / "go")}
        words: Words = [home / "bin" / "go", "build", "-trimpath", "-o", folder / _MADE["go"] / "parcels", "."]
        run(words, doing="building examples/go", cwd=folder, env={**os.environ, **own})


def _sync(folder: Path, venv: Path, uv: Uv) -> None:
    python: Words = ["venv", "--quiet", "--no-project", "--clear", "--python", VENV / "bin" / "python", venv]
    fill: Words = ["pip", "sync", "--quiet", "--python", venv / "bin" / "python", "--require-hashes", "--no-build"]
    for words in (python, [*fill, "--compile-bytecode", folder / "requirements.lock"]):
        run([uv.executable, *words], doing=f"installing examples/{folder.name}", cwd=folder, env=uv.environment)


def _is_stale(name: str) -> bool:
    note = _note(name)
    return not note.exists() or note.read_text(encoding="utf-8") != _digest(name)


def _note(name: str) -> Path:
    """Where the digest of what was installed lies; it goes with that."""
    return EXAMPLES / name / _MADE[name] / ".examples"


def _digest(name: str) -> str:
    return stamp.digest(EXAMPLES / name, _INPUTS[name])


if __name__ == "__main__":
    sys.exit(main())
