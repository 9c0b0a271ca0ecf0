"""What `[releases]` of a profile must hold beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness.config.toml_reader import TomlFile, Where
from harness.model import Target

_SETTING = re.compile(r"[A-Za-z_]\w*")
_REF = re.compile(r"[A-Za-z0-9][\w./^~@{}+-]{0,199}")
"""No ref begins with a dash: git would take it for an option."""


def check_releases(file: TomlFile, target: Target) -> None:
    """Hold the releases of a target that was just read against every rule. Raises `ConfigError`."""
    if not file.has(("releases",)):
        return
    told, service = target.releases, target.service
    if service.url:
        raise file.error("what runs at [service] url is not ours to roll back; take the table out", ("releases",))
    for name, source in told.named.items():
        at: Where = ("releases", "named", name)
        if source.ref and source.folder:
            raise file.error("one of ref and folder was expected, found both", at)
        if source.folder and not Path(source.folder).is_dir():
            raise file.error(f"no such folder: {source.folder} (it is relative to the profile)", (*at, "folder"))
        _check_ref(file, source.ref, (*at, "ref"))
        _check_settings(file, source.settings, (*at, "settings"))
    if told.previous not in told.named:
        _check_ref(file, told.previous, ("releases", "previous"))
    _check_settings(file, told.drill.settings, ("releases", "drill", "settings"))
    for key, planted in (("patch", told.drill.patch), ("migration", told.drill.migration)):
        if planted and not Path(planted).is_file():
            raise file.error(f"no such file: {planted} (it is relative to the profile)", ("releases", "drill", key))
    if told.expand_only and not target.preflight.migrations:
        raise file.error("needs [preflight] migrations, the folder of the files", ("releases", "expand_only"))


def _check_ref(file: TomlFile, ref: str, at: Where) -> None:
    if ref and not _REF.fullmatch(ref):
        raise file.error(f"{ref!r} is no name of a tag, branch or commit", at)


def _check_settings(file: TomlFile, settings: Mapping[str, str], at: Where) -> None:
    for name in settings:
        if not _SETTING.fullmatch(name):
            raise file.error(f"{name!r} cannot be the name of an environment variable", (*at, name))
