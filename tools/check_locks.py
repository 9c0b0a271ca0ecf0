"""`make lint`: lock files pin everything by hash, name no address, and match what the project asks for.

An address in a lock file ties everybody to the mirror of whoever wrote it; a requirement without a hash lets anything
in.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHON_LOCKS = (
    "requirements.lock",
    "service/requirements.lock",
    "service/sbom/requirements.lock",
    "tools/setup/uv.lock",
    "examples/django/requirements.lock",
    "examples/go/requirements.lock",
)
NODE_LOCKS = (
    *(f"tools/node/{package}/package-lock.json" for package in ("allure", "axe", "chromium", "parsers")),
    "examples/express/package-lock.json",
)
DECLARED = {
    "pyproject.toml": "requirements.lock",
    "service/pyproject.toml": "requirements.lock",
}

_PINNED = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE
)


def faults_of_python_lock(text: str) -> Iterator[str]:
    """What is wrong with a requirements file: addresses, and lines that are not pinned by version and hash."""
    if "://" in text:
        yield "names an address"
    entries = re.split(r"\n(?=[^\s#])", text.strip())
    for entry in entries:
        line = entry.splitlines()[0]
        if line.startswith("#"):
            continue
        if _PINNED.match(entry) is None:
            yield f"{line!r} is not pinned to one version"
        elif "--hash=sha256:" not in entry:
            yield f"{line.split()[0]} has no hash"


def faults_of_node_lock(text: str) -> Iterator[str]:
    """What is wrong with a package-lock.json: addresses, and packages without a digest."""
    for name, package in json.loads(text)["packages"].items():
        if "resolved" in package:
            yield f"{name} names the address it came from"
        if name and "integrity" not in package and not package.get("link"):
            yield f"{name} has no digest"


def faults_of_declaration(project: str, lock: str) -> Iterator[str]:
    """Requirements of a pyproject.toml that its lock file does not hold, or holds in a version that is not wanted."""
    pinned: dict[str, list[str]] = {}
    for found in _PINNED.finditer(lock):
        pinned.setdefault(canonicalize_name(found["name"]), []).append(found["version"])
    table = tomllib.loads(project)["project"]
    own = canonicalize_name(table["name"])
    extras = table.get("optional-dependencies", {}).values()
    for line in [*table["dependencies"], *(line for extra in extras for line in extra)]:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        if name == own:
            continue
        if name not in pinned:
            yield f"{name} is asked for and not locked"
        elif not all(wanted.specifier.contains(version, prereleases=True) for version in pinned[name]):
            yield f"{line} is asked for, {' and '.join(pinned[name])} locked"


def main() -> int:
    """Print every fault; the status is 1 if there is one."""
    found = [f"{path}: {fault}" for path in PYTHON_LOCKS for fault in faults_of_python_lock(_read(path))]
    found += [f"{path}: {fault}" for path in NODE_LOCKS for fault in faults_of_node_lock(_read(path))]
    for project, lock in DECLARED.items():
        found += [f"{project}: {fault}: run make lock" for fault in faults_of_declaration(_read(project), _read(lock))]
    for line in found:
        print(line)
    if not found:
        print(f"Lock files: {len(PYTHON_LOCKS) + len(NODE_LOCKS)} checked, all pinned by hash, no address.")
    return 1 if found else 0


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
