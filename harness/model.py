"""The words of the project as types: what is measured, what is demanded, what is ruled.

Imports nothing of the project. All classes are frozen; collections are tuples or read-only mappings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Outcome(StrEnum):
    """How one observation ended (DESIGN 4.2)."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"
    FLAKY = "flaky"
    MEASURED = "measured"


class Status(StrEnum):
    """How one criterion was ruled."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"
    WAIVED = "waived"
    NOT_APPLICABLE = "not_applicable"


class Decision(StrEnum):
    """All rulings of a run in one word."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"


NEEDS_WORDS = ("postgres", "smtp", "valkey")
"""Servers that a target's `needs` may name."""
ABSENT_WORDS = ("auth", "cache", "database", "mail", "openapi", "pages", "ratelimit", "workers")
"""What a target may lack: the keys of its `absent`, and the words of a criterion's `needs` (DESIGN 4.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What an instrument or a test has to say; it becomes evidence once a run gives it number and time.

    A `measured` observation carries in `detail`: `statistic`, `interval` ([low, high]), `level`, `method`.
    """

    suite: str
    check: str
    subject: str
    outcome: Outcome
    value: float | None = None
    unit: str = ""
    n: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)
    test: str | None = None
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One immutable line of `evidence.jsonl`: an observation with the run's name, a number from 1 and a UTC time."""

    run: str
    seq: int
    at: str
    suite: str
    check: str
    subject: str
    outcome: Outcome
    value: float | None = None
    unit: str = ""
    n: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)
    test: str | None = None
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """Which evidence a criterion looks at: glob patterns over check ids, a suite's name, a glob over the subject.

    None for suite or subject means all of them.
    """

    checks: tuple[str, ...]
    suite: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A demand over numbers: every interval of `stat` must wholly meet `op value` in the same `unit`."""

    stat: str
    op: Literal["<", "<=", ">", ">=", "=="]
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A line of a policy. `demand` is a threshold, or None for "all pass"."""

    id: str
    area: str
    select: Select
    demand: Threshold | None = None
    requires: str = ""
    """What is demanded, in words for a release manager."""
    required: bool = True
    weight: float = 1.0
    min_n: int = 1
    needs: str | None = None
    target: str | None = None
    allow_skip: tuple[str, ...] = ()
    waivable: bool = True
    source: str = ""
    """File and line where it is written, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Somebody's signed word that a criterion need not hold until `expires` (an ISO date)."""

    criterion: str
    owner: str
    reason: str
    expires: str
    target: str | None = None
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a release demands."""

    name: str
    criteria: tuple[Criterion, ...]
    max_flaky: int = 0
    retries: int = 0
    clean_build: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A criterion applied to the evidence of a run, with the value used beside the threshold."""

    id: str
    area: str
    requires: str
    status: Status
    measured: str
    threshold: str
    interval: tuple[float, float] | None
    n: int
    evidence: tuple[int, ...]
    reason: str
    required: bool = True
    weight: float = 1.0
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Which build of the target was judged."""

    kind: Literal["commit", "image", "reported", "unknown"]
    id: str
    dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """What a reader of the run's files found; `problems` is empty for a run that is whole (DESIGN 4.2)."""

    state: Literal["running", "finished", "interrupted"]
    problems: tuple[str, ...]
    evidence_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that the judge is told of a run beside policy and waivers."""

    run: str
    target: str
    build: Build
    end: str | None
    """UTC time at which the run ended (ISO 8601); the judge's only clock."""
    collected: tuple[str, ...]
    """Node ids of all tests that were collected."""
    narrowed: str = ""
    """The words of `--only` or `--without` where they narrowed the run; at best INCONCLUSIVE then."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """What the sealed profile says the target does not have, with the reason."""
    integrity: Integrity
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The ruling over a whole run, as in `verdict.json` (DESIGN 4.2)."""

    schema: int
    run: str
    target: str
    policy: str
    verdict: Decision
    score: float
    build: Build
    criteria: tuple[Ruling, ...]
    held_back: tuple[str, ...]
    """Why the run is no better than it is, beside the criteria: integrity, stray failures, a dirty build."""
    evidence_sha256: str


# --- targets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How the target is started. Exactly one of `command`, `image` and `url` says what it is.

    Words may hold `{host} {port} {proxy} {database_url} {redis_url} {smtp_url}` and `{secret.NAME}` (random, one a
    stack).
    """

    command: tuple[str, ...] = ()
    image: str = ""
    url: str = ""
    cwd: str = "."
    """Absolute once the profile is loaded."""
    needs: tuple[str, ...] = ()
    prepare: tuple[tuple[str, ...], ...] = ()
    workers: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    required_env: tuple[str, ...] = ()
    timeout_s: float = 10.0
    """Seconds within which the service must answer a request, and the unit of the readiness deadline."""
    start_timeout_s: float = 30.0
    dockerfile: str = ""
    """Path of the Dockerfile, relative to `cwd`, that the docker backend builds when `image` is not given."""
    container_port: int = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Paths that say whether the service lives and whether it is ready; empty where the target has none."""

    live: str = ""
    ready: str = ""


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
class Target:
    """The service under test, as its profile describes it."""

    name: str
    source: str
    """Where the profile was read from; "" for the generic profile of a bare URL."""
    service: Service
    health: Health = Health()
    build_path: str = ""
    client_address: Literal["source", "x-forwarded-for", "none"] = "none"
    absent: Mapping[str, str] = field(default_factory=dict)
    allow_hosts: tuple[str, ...] = ()
    cache: Cache = Cache()
    ratelimit: RateLimit | None = None
    auth: Auth = Auth()
    pages: tuple[str, ...] = ()
    openapi: str = ""
    cors_origins: tuple[str, ...] = ()
    """Origins that the target must let in; every other one must stay out."""
    cors_paths: tuple[str, ...] = ()
    """Paths on which they are let in; all, if none is named."""
    load: Load = Load()
    tables: tuple[str, ...] = ()
    """Tables that preflight expects in the database's schema `public`."""
    writable: tuple[str, ...] = ()
    """Folders that the service must be able to write to."""
    preflight_weights: Mapping[str, float] = field(default_factory=dict)
    suite_paths: tuple[str, ...] = ()
    """Folders with more suites; absolute once the profile is loaded."""
    escalation_accepted: tuple[str, ...] = ()
    """`[escalation] accepted`, as written."""


# --- what runs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One running copy of the service."""

    url: str
    pid: int | None = None
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackInfo:
    """Endpoints and facts of a running stack; JSON on disk, so that other processes can use the stack.

    `settings` is the service's environment as started (secrets in it: the file is private to the user, and it never
    becomes part of a run).
    """

    name: str
    backend: Literal["embedded", "docker", "attach"]
    target: str
    url: str
    owned: bool
    """Started by us: writes, attacks and faults are allowed."""
    database_url: str | None = None
    redis_url: str | None = None
    smtp_url: str | None = None
    mailbox_url: str | None = None
    untrusted_url: str | None = None
    """Reaches the service through a peer that it trusts as no proxy; None where any other loopback address is one."""
    instances: tuple[Instance, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    """What `--env` changed."""
    state_dir: str = ""
    logs: Mapping[str, str] = field(default_factory=dict)
    """Name of a process -> path of its log."""
    pids: Mapping[str, int] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds each part took to become ready."""
    build: Build = Build(kind="unknown", id="")
    supervisor_pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something that happened, for whoever shows progress. Renderers only listen."""

    phase: str
    text: str
    done: int | None = None
    total: int | None = None
    rate: float | None = None
    """Requests a second, while load runs."""


Listener = Callable[[Progress], None]
