# ruff: noqa: INP001 - a program of a build, in no package
"""Adds the packages of the image's distribution to a bill of materials; a step of the image's build.

    python add_system.py PYTHON_BOM ALL_BOM

`cyclonedx-py` lists what is in a Python environment; what `dpkg-query` says goes beside it, each package by its package
URL. Raises ValueError where the result is no CycloneDX 1.6 (ECMA-424), or where the distribution has no packages.
"""

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

_FORMAT = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
_INSTALLED = "ii"


def system_components() -> list[Component]:
    """All packages of the distribution that are installed here."""
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line
    )
    vendor, distribution = (release.get(key, "").strip('"') for key in ("ID", "VERSION_ID"))
    said = subprocess.run(["dpkg-query", "-W", f"-f={_FORMAT}"], capture_output=True, text=True, check=True).stdout
    found = []
    for line in said.splitlines():
        status, name, version, architecture, source, source_version = line.split("\t")
        if status.strip() != _INSTALLED:
            continue
        qualifiers = {"arch": architecture, "distro": f"{vendor}-{distribution}"}
        if (source, source_version) != (name, version):
            qualifiers["upstream"] = f"{source}@{source_version}"
        url = PackageURL("deb", vendor, name, version, qualifiers)
        found.append(
            Component(type=ComponentType.LIBRARY, name=name, version=version, purl=url, bom_ref=url.to_string())
        )
    if not found:
        raise ValueError("dpkg-query lists no installed package")
    return found


def main(python_bom: str, all_bom: str) -> None:
    """Read one bill, write the other."""
    bom = Bom.from_json(json.loads(Path(python_bom).read_text(encoding="utf-8")))
    bom.components.update(system_components())
    # Neither is about what is in the image, and the same build is to make the same file.
    bom.serial_number, bom.metadata.timestamp = None, None
    document = JsonV1Dot6(bom).output_as_string(indent=1)
    if (fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(document)) is not None:
        raise ValueError(f"{all_bom} would be no CycloneDX 1.6: {fault}")
    Path(all_bom).write_text(document + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
