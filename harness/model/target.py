"""The service under test, as its profile describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from harness.model.release import Releases
from harness.model.schema import SchemaManifest
from harness.model.url_path import AnyUrlPath, UrlPath
from harness.model.watch import Watched
from harness.moved import former_member

NEEDS_WORDS = ("postgres", "smtp", "valkey")
"""Servers that a target's `needs` may name."""
MOST_WORKERS = 64
"""As many workers as a stack may have."""
MOST_RATE = 100_000
"""Requests a second that load may be asked for: no generator of one machine sends more."""
ABSENT_WORDS = ("auth", "cache", "database", "mail", "openapi", "pages", "ratelimit", "workers")
"""What a target may lack: the keys of its `absent`, and the words of a criterion's `needs` (docs/profile.md#absent)."""


Seconds = Annotated[float, Meta(gt=0, le=3600, description="a number above 0 and at most 3,600")]
Weight = Annotated[float, Meta(gt=0, le=10**9, description="a number above 0 and at most 1,000,000,000")]
WeightOrZero = Annotated[float, Meta(ge=0, le=10**9, description="a number from 0 to 1,000,000,000")]
Rate = Annotated[float, Meta(gt=0, le=MOST_RATE, description=f"a number above 0 and at most {MOST_RATE:,}")]


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
    timeout_s: Seconds = 10.0
    """Seconds within which the service must answer a request, and the unit of the readiness deadline."""
    start_timeout_s: Seconds = 30.0
    dockerfile: str = ""
    """Path of the Dockerfile, relative to `cwd`, that the docker backend builds when `image` is not given."""
    container_port: Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")] = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Programs that run beside the service, on the same data and with the same settings."""

    command: tuple[str, ...] = ()
    count: Annotated[int, Meta(ge=0, le=MOST_WORKERS, description=f"a number from 0 to {MOST_WORKERS}")] = 1
    """How many a stack starts."""
    ready: str = ""
    """Text that a worker's log holds once it works; without it, one that lives counts as started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Paths that say whether the service lives and whether it is ready; empty where the target has none."""

    live: AnyUrlPath = ""
    ready: AnyUrlPath = ""
    optional: tuple[Literal["cache", "database"], ...] = ()
    """Servers without which the service may call itself ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One account the harness may log in with. Values may hold `{secret.NAME}` and `{env.NAME}`."""

    username: str = ""
    """Empty where the password, or the key, is all."""
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """How anybody makes an account: POST `body` as JSON to `path`; `{random}` is new each time."""

    path: AnyUrlPath = ""
    body: Mapping[str, str] = field(default_factory=dict)
    username: str = "hx{random}"
    password: str = "Hx-{random}7a"  # noqa: S105 - a template


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """Login shape: POST `body` to `login`; the token stands at the dotted path `token` of the answer."""

    kind: Literal["bearer", "basic", "key", "cookie"] = "bearer"
    """What a request of an account carries: a token, name and password, a key, or a session's cookies."""
    login: AnyUrlPath = ""
    body: Mapping[str, str] = field(default_factory=dict)
    form: bool = False
    """Whether `body` is sent as a form; else it is JSON."""
    token: str = "access_token"  # noqa: S105 - a field's name
    header: str = ""
    """Where it is carried; without it `Authorization`, and `X-API-Key` for a key."""
    prefix: str = "Bearer"
    """What stands before the token."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    second: Mapping[str, Role] = field(default_factory=dict)
    """Role -> another account of it, which must not see what is the first one's."""
    register: Register = Register()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLogin:
    """The form that a browser logs in with: its page, and CSS selectors of its parts."""

    path: UrlPath
    username: str = ""
    """Empty where the form asks for a password alone."""
    password: str
    submit: str = ""
    """What sends the form; without it, Enter in the password's field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """What the limiter must show: `limit` requests in `window_s` seconds for one client, tried on `path`."""

    limit: Annotated[int, Meta(gt=0, le=10**9, description="a number above 0 and at most 1,000,000,000")]
    window_s: Annotated[float, Meta(gt=0, le=604_800, description="a number above 0 and at most 604,800")] = 60.0
    path: UrlPath = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Paths whose answers are cached, the setting that turns the cache off, and the header that tells."""

    paths: tuple[UrlPath, ...] = ()
    off: Mapping[str, str] = field(default_factory=dict)
    header: str = "X-Cache"
    roles: Mapping[UrlPath, str] = field(default_factory=dict)
    """Path -> role, for cached answers that need a login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The scenario of `harness load`: paths with weights, at an open arrival rate."""

    paths: Mapping[UrlPath, Weight] = field(default_factory=dict)
    rate: Rate = 50.0
    """Requests a second of the profile `steady`."""


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
class BuildPath:
    """Where the target says which build it is."""

    path: AnyUrlPath = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """How the target tells one client from another."""

    address: Literal["source", "x-forwarded-for", "none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsTermination:
    """Who speaks TLS with clients, where the service itself is asked over plain HTTP."""

    in_front: bool = False
    """A proxy in front ends TLS, and the service answers as if every request were secure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieRules:
    """What the service's cookies are for."""

    readable: tuple[str, ...] = ()
    """Names of cookies that scripts must read: CSRF tokens, preferences; never the cookie of a login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedHosts:
    """Hosts that may be loaded, written to, attacked and broken although the harness did not start them."""

    hosts: tuple[str, ...] = ()
    read_hosts: tuple[str, ...] = ()
    """Hosts from which pages may read what they are made of, such as a CDN's scripts, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages for the browser, and how it logs in for those that are not open."""

    paths: tuple[UrlPath, ...] = ()
    roles: Mapping[UrlPath, str] = field(default_factory=dict)
    """Page -> role, for pages that need a login."""
    login: PageLogin | None = None

    @property
    def open(self) -> tuple[str, ...]:
        """Pages that need no login."""
        return tuple(page for page in self.paths if page not in self.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApiPath:
    """Where the target describes its API (without a path the usual places are tried), and what is asked of it."""

    path: AnyUrlPath = ""
    leave_out: tuple[str, ...] = ()
    """Operations that nothing calls: `GET /createdb`, or paths whatever the method is: `/admin/*`."""
    requests: Annotated[int, Meta(ge=0, le=100_000, description="a number from 0 to 100,000")] = 2000
    """How many requests are made of the document at most, as each caller: nobody, and each role; 0 for none."""
    seconds: Seconds = 15.0
    """How long that may take. More than four callers share what four of them have."""
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="a number from 0 to 4,294,967,295")] | None = None
    """What they are drawn by; without it, by the document itself."""

    def leaves_out(self, method: str, path: str) -> bool:
        """Is that operation, or that path and query of a request, left out?"""
        plain = path.partition("?")[0]
        return any(_is_named(line, method, plain) for line in self.leave_out)


def _is_named(line: str, method: str, path: str) -> bool:
    word, blank, rest = line.partition(" ")
    if blank and word.upper() != method.upper() and word != "*":
        return False
    pattern = rest.strip() if blank else word
    return fnmatchcase(path, pattern) or fnmatchcase(path.rstrip("/"), pattern.rstrip("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What an API without a description answers to a plain GET."""

    paths: tuple[UrlPath, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Origins that the target must let in; every other one must stay out."""

    origins: tuple[str, ...] = ()
    paths: tuple[UrlPath, ...] = ()
    """Paths on which they are let in; all, if none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightRules:
    """What preflight expects of database, mail server, modules, logs and folders, and what each check weighs."""

    weights: Mapping[str, WeightOrZero] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    """Tables that the database's schema `public` must have."""
    manifest: str = ""
    """File that declares all of that schema; `Target.manifest` is what it says."""
    migrations: str = ""
    """Folder of the schema's numbered SQL files, relative to the service's `cwd`."""
    migration_table: str = ""
    """Where those applied are noted; with its schema, if it is not `public`."""
    migration_column: str = "id"
    starttls: bool = False
    """Whether the mail server must offer STARTTLS (RFC 3207)."""
    imports: tuple[str, ...] = ()
    """Python modules of the service whose import must read no setting."""
    expected_log: tuple[str, ...] = ()
    """Texts of warnings that the service may log while it starts: its operator chose them, or a library says them."""
    known_warnings: tuple[str, ...] = ()
    """The former name of `expected_log`; both are heeded."""
    writable: tuple[str, ...] = ()
    """Folders that the service must be able to write to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRules:
    """What a restored backup may lack."""

    unlogged: tuple[str, ...] = ()
    """Tables, with their schema, that are UNLOGGED on purpose: their rows may be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuitePaths:
    """Folders with more suites; absolute once the profile is loaded."""

    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Who is told of an alert, and decides."""

    accepted: tuple[str, ...] = ()
    """Kept with the profile; nothing reads it yet."""
    page: str = ""
    ticket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile's file, table by table and key by key."""

    schema: int = 1
    name: str
    policy: str = ""
    """By name, or absolute once the profile is loaded; what rules where none is asked for."""
    service: Service
    workers: Workers = Workers()
    health: Health = Health()
    build: BuildPath = BuildPath()
    clients: ClientIdentity = ClientIdentity()
    tls: TlsTermination = TlsTermination()
    cookies: CookieRules = CookieRules()
    absent: Mapping[str, str] = field(default_factory=dict)
    allow: AllowedHosts = AllowedHosts()
    auth: Auth = Auth()
    cache: Cache = Cache()
    ratelimit: RateLimit | None = None
    pages: Pages = Pages()
    openapi: OpenApiPath = OpenApiPath()
    api: Api = Api()
    cors: Cors = Cors()
    load: Load = Load()
    preflight: PreflightRules = PreflightRules()
    templates: Templates = Templates()
    backup: BackupRules = BackupRules()
    suites: SuitePaths = SuitePaths()
    watch: Watched = field(default_factory=Watched)
    escalation: Escalation = Escalation()
    releases: Releases = field(default_factory=Releases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Profile):
    """The service under test: its profile, and what was read beside it."""

    source: str
    """Where the profile was read from; "" for the generic profile of a bare URL."""
    manifest: SchemaManifest | None = None
    """All that the schema `public` must hold; None if the profile names no manifest."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Let suites of other people use a former name for one release."""
            return former_member(self, name)
