"""What `[releases]` of a profile must hold beyond the types of its keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
    told = target.releases
    what = "what runs at [service] url is not ours to roll back; take the table out"
    file.refuse_if(target.service.url, what, ("releases",))
    for name, source in told.named.items():
        at: Where = ("releases", "named", name)
        file.refuse_if(source.ref and source.folder, "one of ref and folder was expected, found both", at)
        if source.folder:
            file.check_folder(source.folder, (*at, "folder"))
        _check_ref(file, source.ref, (*at, "ref"))
        check_settings(file, source.settings, (*at, "settings"))
    if told.previous not in told.named:
        _check_ref(file, told.previous, ("releases", "previous"))
    check_settings(file, told.drill.settings, ("releases", "drill", "settings"))
    for key, planted in (("patch", told.drill.patch), ("migration", told.drill.migration)):
        what = f"no such file: {planted} (it is relative to the profile)"
        file.refuse_if(planted and not Path(planted).is_file(), what, ("releases", "drill", key))
    check_migrations(file, target, told.expand_only, ("releases", "expand_only"))


def check_migrations(file: TomlFile, target: Target, needs_them: object, at: Where) -> None:
    """Raises `ConfigError` where a key needs files of migrations, and the profile names none."""
    what = "needs [preflight] migrations, the folder of the files"
    file.refuse_if(needs_them and not target.preflight.migrations, what, at)


def _check_ref(file: TomlFile, ref: str, at: Where) -> None:
    file.refuse_if(ref and not _REF.fullmatch(ref), f"{ref!r} is no name of a tag, branch or commit", at)


def check_settings(file: TomlFile, settings: Iterable[str], at: Where) -> None:
    """Raises `ConfigError` for a name that no process is given as a setting."""
    for name in settings:
        what = f"{name!r} cannot be the name of an environment variable"
        file.refuse_if(not _SETTING.fullmatch(name), what, (*at, name))
