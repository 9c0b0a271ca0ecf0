"""From a profile's TOML file to a `Target` (DESIGN 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.config.profile_manifest import read_manifest
from harness.config.profile_rules import check_target
from harness.config.service_url import checked_url
from harness.config.toml_reader import TomlFile, nearest, read_toml
from harness.errors import ConfigError
from harness.model import (
    Auth,
    Cache,
    Health,
    Load,
    Migrations,
    PageLogin,
    RateLimit,
    Service,
    Target,
    Templates,
    Workers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clients:
    address: Literal["source", "x-forwarded-for", "none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Allow:
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Preflight:
    weights: Mapping[str, float] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    manifest: str = ""
    migrations: str = ""
    migration_table: str = ""
    migration_column: str = "id"
    starttls: bool = False
    imports: tuple[str, ...] = ()
    known_warnings: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pages:
    paths: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    login: PageLogin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenApi:
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cors:
    origins: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suites:
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Escalation:
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profile:
    """The file as it is written; `Target` is the same in the shape that the harness uses."""

    schema: int
    name: str
    service: Service
    workers: Workers = field(default_factory=Workers)
    health: Health = field(default_factory=Health)
    build: _Build = field(default_factory=_Build)
    clients: _Clients = field(default_factory=_Clients)
    absent: Mapping[str, str] = field(default_factory=dict)
    allow: _Allow = field(default_factory=_Allow)
    cache: Cache = field(default_factory=Cache)
    preflight: _Preflight = field(default_factory=_Preflight)
    ratelimit: RateLimit | None = None
    auth: Auth = field(default_factory=Auth)
    pages: _Pages = field(default_factory=_Pages)
    openapi: _OpenApi = field(default_factory=_OpenApi)
    cors: _Cors = field(default_factory=_Cors)
    load: Load = field(default_factory=Load)
    templates: Templates = field(default_factory=Templates)
    suites: _Suites = field(default_factory=_Suites)
    escalation: _Escalation = field(default_factory=_Escalation)


def load_target(given: str, root: Path) -> Target:
    """The target that a profile describes: `given` is a name (`root/profiles/NAME.toml`) or a path.

    Raises `ConfigError` in one line that names file, line, key and what was expected.
    """
    file = read_toml(_find_profile(given, root))
    written = file.document.get("schema")
    if written != 1 or isinstance(written, bool):
        found = "is missing" if written is None else f"is {written!r}"
        raise file.error(f"{found}; `schema = 1` was expected, this harness knows no other", ("schema",))
    target = _target(file, file.read(_Profile))
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


def _target(file: TomlFile, written: _Profile) -> Target:
    home = file.path.resolve().parent
    return Target(
        name=written.name,
        source=str(file.path.resolve()),
        service=replace(written.service, cwd=str((home / written.service.cwd).resolve())),
        workers=written.workers,
        health=written.health,
        build_path=written.build.path,
        client_address=written.clients.address,
        absent=written.absent,
        allow_hosts=written.allow.hosts,
        cache=written.cache,
        ratelimit=written.ratelimit,
        auth=written.auth,
        pages=written.pages.paths,
        page_roles=written.pages.roles,
        page_login=written.pages.login,
        openapi=written.openapi.path,
        cors_origins=written.cors.origins,
        cors_paths=written.cors.paths,
        load=written.load,
        tables=written.preflight.tables,
        manifest=read_manifest(home / written.preflight.manifest) if written.preflight.manifest else None,
        migrations=Migrations(
            folder=written.preflight.migrations,
            table=written.preflight.migration_table,
            column=written.preflight.migration_column,
        ),
        starttls=written.preflight.starttls,
        imports=written.preflight.imports,
        known_warnings=written.preflight.known_warnings,
        templates=written.templates,
        writable=written.preflight.writable,
        preflight_weights=written.preflight.weights,
        suite_paths=tuple(str((home / path).resolve()) for path in written.suites.paths),
        escalation_accepted=written.escalation.accepted,
    )
