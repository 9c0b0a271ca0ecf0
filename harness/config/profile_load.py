"""From a profile's TOML file to a `Target`, and from there to a run's `profile.json` and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.config.profile_rules import check_target
from harness.config.service_url import checked_url
from harness.config.toml_reader import TomlFile, nearest, read_toml
from harness.errors import BrokenRunError, ConfigError
from harness.machine.decoding import Reader
from harness.model import Profile, Releases, SchemaManifest, Service, SuitePaths, Table, Target
from harness.moved import TARGET_MEMBERS

_TARGET = Reader(Target)


def load_target(given: str, root: Path) -> Target:
    """The target that a profile describes: `given` is a name (`root/profiles/NAME.toml`) or a path.

    Raises `ConfigError` in one line that names file, line, key and what was expected.
    """
    file = read_toml(_find_profile(given, root))
    written = file.document.get("schema")
    if written != 1 or isinstance(written, bool):
        found = "is missing" if written is None else f"is {written!r}"
        raise file.error(f"{found}; `schema = 1` was expected, this harness knows no other", ("schema",))
    target = _target(file, file.read(Profile))
    check_target(file, target)
    return target


def generic_target(url: str) -> Target:
    """The target of a bare URL: all that is known of it is its address. Raises `UsageError` for no http(s) URL."""
    return Target(name="generic", source="", service=Service(url=checked_url(url)))


def _find_profile(given: str, root: Path) -> Path:
    folder = root / "profiles"
    if "/" in given or given.endswith(".toml"):
        path = Path(given)
        if path.is_dir():
            raise ConfigError("is a folder; a profile is a TOML file", path=path)
        if not path.exists():
            raise ConfigError(f"no such profile; {_there_are(given, folder)}", path=path)
        return path
    path = folder / f"{given}.toml"
    if not path.is_file():
        raise ConfigError(f"no profile {given!r}; {_there_are(given, folder)}", path=path)
    return path


def _there_are(given: str, folder: Path) -> str:
    names = [path.stem for path in folder.glob("*.toml")]
    hint = nearest(Path(given).stem, names) if names else f"{folder} holds none"
    return (
        f"{hint} A path to a TOML file is a profile too." if hint.endswith("?") else f"{hint}, or a path to a TOML file"
    )


def _suite_folder(path: Path) -> str:
    """The folder itself may be a link, whose name is the suite's."""
    return str(path.resolve() if path.name == ".." else path.parent.resolve() / path.name)


def _target(file: TomlFile, written: Profile) -> Target:
    home = file.path.resolve().parent
    tables = {each.name: getattr(written, each.name) for each in fields(written)}
    tables["service"] = replace(written.service, cwd=str((home / written.service.cwd).resolve()))
    tables["suites"] = SuitePaths(paths=tuple(_suite_folder(home / path) for path in written.suites.paths))
    tables["releases"] = _releases(written.releases, home)
    if written.policy.endswith(".toml"):
        tables["policy"] = str((home / written.policy).resolve())
    manifest = written.preflight.manifest
    return Target(
        **tables, source=str(file.path.resolve()), manifest=read_manifest(home / manifest) if manifest else None
    )


def _releases(written: Releases, home: Path) -> Releases:
    def placed(path: str) -> str:
        return str((home / path).resolve()) if path else ""

    named = {name: replace(source, folder=placed(source.folder)) for name, source in written.named.items()}
    drill = replace(written.drill, patch=placed(written.drill.patch), migration=placed(written.drill.migration))
    return replace(written, named=named, drill=drill)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ManifestFile:
    schema: int
    tables: Mapping[str, Table]


def read_manifest(path: Path) -> SchemaManifest:
    """A schema manifest: every table, column and index that a database must hold.

    Raises `ConfigError`, with file, line and key, for what is malformed or contradicts itself.
    """
    file = read_toml(path)
    written = file.read(_ManifestFile)
    if written.schema != 1:
        raise file.error(f"schema 1 was expected, not {written.schema}", ("schema",))
    owners: dict[str, str] = {}
    for name, table in written.tables.items():
        if not table.columns:
            raise file.error("a table has at least one column", ("tables", name, "columns"))
        for index_name, index in table.indexes.items():
            at = ("tables", name, "indexes", index_name)
            if index_name in owners:
                raise file.error(f"is an index of table {owners[index_name]} already", at)
            if not index.on.startswith(f"{name} USING "):
                raise file.error(f"{name} USING METHOD (COLUMNS) was expected, not {index.on!r}", (*at, "on"))
            if not index.serves.strip():
                raise file.error("the constraint or query that the index is for was expected", (*at, "serves"))
            owners[index_name] = name
    return SchemaManifest(tables=written.tables)


def target_document(target: Target) -> dict[str, Any]:
    """The target as kept in a run's folder (`profile.json`): the profile's tables, and what was read beside them."""
    document: dict[str, Any] = msgspec.to_builtins(target)
    return document


def target_from_document(document: Mapping[str, Any]) -> Target:
    """The target of a run. Raises `BrokenRunError` if the document is none."""
    try:
        return _TARGET.data(in_file_shape(document))
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"profile.json: is not a profile as this harness writes it ({error})") from error


def in_file_shape(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A target's document in the shape of the file, whichever release wrote it: 0.1 kept most tables flat."""
    if "schema" in document:
        return document
    tables: dict[str, Any] = {key: value for key, value in document.items() if key not in _FORMER_KEYS}
    for former, now in TARGET_MEMBERS.items():
        outer, _, inner = former.partition(".")
        value = document.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, Mapping) else None
        if value is not None:
            table, _, key = now.partition(".")
            tables.setdefault(table, {})[key] = value
    return tables


_FORMER_KEYS = frozenset(former.partition(".")[0] for former in TARGET_MEMBERS)
