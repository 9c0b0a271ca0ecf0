"""The service under test, as its profile describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.schema import Manifest

NEEDS_WORDS = ("postgres", "smtp", "valkey")
"""Servers that a target's `needs` may name."""
MOST_WORKERS = 64
"""As many workers as a stack may have."""
MOST_RATE = 100_000
"""Requests a second that load may be asked for: no generator of one machine sends more."""
ABSENT_WORDS = ("auth", "cache", "database", "mail", "openapi", "pages", "ratelimit", "workers")
"""What a target may lack: the keys of its `absent`, and the words of a criterion's `needs` (DESIGN 4.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How the target is started. Exactly one of `command`, `image` and `url` says what it is.

    Words may hold `{host} {port} {url} {proxy} {database_url} {redis_url} {smtp_url}` and `{secret.NAME}` (random, one
    a stack).
    """

    command: tuple[str, ...] = ()
    image: str = ""
    url: str = ""
    cwd: str = "."
    """Absolute once the profile is loaded."""
    needs: tuple[str, ...] = ()
    prepare_cached: tuple[tuple[str, ...], ...] = ()
    """What fills the database the same way for the same sources; run before `prepare`, and only if nothing is kept."""
    prepare: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    required_env: tuple[str, ...] = ()
    timeout_s: float = 10.0
    """Seconds within which the service must answer a request, and the unit of the readiness deadline."""
    start_timeout_s: float = 30.0
    dockerfile: str = ""
    """Path of the Dockerfile, relative to `cwd`, that the docker backend builds when `image` is not given."""
    container_port: int = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Programs that run beside the service, on the same data and with the same settings."""

    command: tuple[str, ...] = ()
    count: int = 1
    """How many a stack starts."""
    ready: str = ""
    """Text that a worker's log holds once it works; without it, one that lives counts as started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Paths that say whether the service lives and whether it is ready; empty where the target has none."""

    live: str = ""
    ready: str = ""
    optional: tuple[Literal["cache", "database"], ...] = ()
    """Servers without which the service may call itself ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One account the harness may log in with. Values may hold `{secret.NAME}` and `{env.NAME}`."""

    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Login shape: POST `body` as JSON to `login`; the token stands at the dotted path `token` of the answer."""

    login: str = ""
    body: Mapping[str, str] = field(default_factory=dict)
    token: str = "access_token"  # noqa: S105 - a field's name
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLogin:
    """The form that a browser logs in with: its page, and CSS selectors of its parts."""

    path: str
    username: str
    password: str
    submit: str = ""
    """What sends the form; without it, Enter in the password's field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What the limiter must show: `limit` requests in `window_s` seconds for one client, tried on `path`."""

    limit: int
    window_s: float = 60.0
    path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Paths whose answers are cached, the setting that turns the cache off, and the header that tells."""

    paths: tuple[str, ...] = ()
    off: Mapping[str, str] = field(default_factory=dict)
    header: str = "X-Cache"
    roles: Mapping[str, str] = field(default_factory=dict)
    """Path -> role, for cached answers that need a login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The scenario of `harness load`: paths with weights, at an open arrival rate."""

    paths: Mapping[str, float] = field(default_factory=dict)
    rate: float = 50.0
    """Requests a second of the profile `steady`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """Where the schema's numbered SQL files lie, relative to the service's `cwd`, and where those applied are noted."""

    folder: str = ""
    table: str = ""
    """With its schema, if it is not `public`."""
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """What renders the service's pages and mails. All paths are relative to the service's `cwd`."""

    engine: Literal["jinja2", "handlebars"] | None = None
    path: str = ""
    samples: str = ""
    environments: Mapping[str, str] = field(default_factory=dict)
    """Beginning of templates' names -> `module:attribute` of the environment that renders them; the longest wins."""
    helpers: str = ""
    """Module of Node's with the helpers of Handlebars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The service under test, as its profile describes it."""

    name: str
    source: str
    """Where the profile was read from; "" for the generic profile of a bare URL."""
    service: Service
    workers: Workers = Workers()
    health: Health = Health()
    build_path: str = ""
    client_address: Literal["source", "x-forwarded-for", "none"] = "none"
    absent: Mapping[str, str] = field(default_factory=dict)
    allow_hosts: tuple[str, ...] = ()
    cache: Cache = Cache()
    ratelimit: RateLimit | None = None
    auth: Auth = Auth()
    pages: tuple[str, ...] = ()
    page_roles: Mapping[str, str] = field(default_factory=dict)
    """Page -> role, for pages that need a login."""
    page_login: PageLogin | None = None
    openapi: str = ""
    cors_origins: tuple[str, ...] = ()
    """Origins that the target must let in; every other one must stay out."""
    cors_paths: tuple[str, ...] = ()
    """Paths on which they are let in; all, if none is named."""
    load: Load = Load()
    tables: tuple[str, ...] = ()
    """Tables that preflight expects in the database's schema `public`."""
    manifest: Manifest | None = None
    """All that the schema `public` must hold; None if the profile names no manifest."""
    migrations: Migrations = Migrations()
    templates: Templates = Templates()
    starttls: bool = False
    """Whether the mail server must offer STARTTLS (RFC 3207)."""
    imports: tuple[str, ...] = ()
    """Python modules of the service whose import must read no setting."""
    known_warnings: tuple[str, ...] = ()
    """Texts of warnings that the service may log while it starts."""
    writable: tuple[str, ...] = ()
    """Folders that the service must be able to write to."""
    preflight_weights: Mapping[str, float] = field(default_factory=dict)
    suite_paths: tuple[str, ...] = ()
    """Folders with more suites; absolute once the profile is loaded."""
    escalation_accepted: tuple[str, ...] = ()
    """`[escalation] accepted`, as written."""

    @property
    def open_pages(self) -> tuple[str, ...]:
        """Pages that need no login."""
        return tuple(page for page in self.pages if page not in self.page_roles)
