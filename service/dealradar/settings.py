"""The service's settings: read once at the start, checked completely, then passed on as values.

A value comes from the environment, else from the file `.env.<ENVIRONMENT>` beside the package. Whatever is unknown
(in the file) or malformed (anywhere) raises SettingsError, whose text is one line that names the setting and what it
should be.
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PACKAGE = Path(__file__).resolve().parent
SERVICE_FOLDER = PACKAGE.parent
ENVIRONMENTS = ("development", "test", "production")
JOBS = ("alerts", "imports", "rollup", "cleanup", "warm")
LOG_LEVELS = ("debug", "info", "warning", "error")
SOURCE_SUFFIXES = {".py", ".sql", ".html", ".css", ".js", ".svg"}


class SettingsError(Exception):
    """A setting is missing, unknown or malformed. The message never contains the value of a secret."""


@dataclass(frozen=True)
class Settings:
    """Every setting in its parsed form. Durations are in the unit that the name says."""

    environment: str
    database_url: str
    redis_url: str
    smtp_url: str
    secret_key: str
    public_url: str
    rate_limit_per_minute: int
    cache_enabled: bool
    cache_ttl_seconds: int
    cache_stale_seconds: int
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]
    request_timeout_seconds: float
    drain_seconds: float
    mail_from: str
    smtp_timeout_seconds: float
    notify_dedup_minutes: int
    notify_max_attempts: int
    notify_backoff_seconds: float
    lock_ttl_seconds: int
    job_timeout_seconds: int
    jobs: Mapping[str, float]
    log_level: str
    build_id: str


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        wanted = f"a URL such as {schemes[0]}://host:port"
        try:
            parts = urlsplit(text)
            has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            raise ValueError(wanted) from None
        if parts.scheme not in schemes or not has_host or re.search(r"\s", text):
            raise ValueError(wanted)
        return text

    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text):
        raise ValueError("a number of seconds such as 1 or 0.5")
    return float(text)


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("true or false")
    return text == "true"


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text

    return parse


def _secret(text: str) -> str:
    if len(text) < 32 or text.startswith("change-me"):
        raise ValueError("a secret of at least 32 characters")
    return text


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _origins(text: str) -> tuple[str, ...]:
    for origin in _words(text):
        if not re.fullmatch(r"https?://[a-z0-9.\-]+(:[0-9]{1,5})?", origin):
            raise ValueError("a comma-separated list of exact origins such as https://app.example.com")
    return tuple(_words(text))


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in _words(text))
    except ValueError:
        raise ValueError("a comma-separated list of networks such as 10.0.0.0/8") from None


def _address(text: str) -> str:
    if not re.fullmatch(r"[^\s@<>,]{1,64}@[A-Za-z0-9.\-]{1,190}", text):
        raise ValueError("an address such as no-reply@example.com")
    return text


def _jobs(text: str) -> Mapping[str, float]:
    """`name=seconds` for each job; one that is not named does not run."""
    found: dict[str, float] = {}
    for word in _words(text):
        name, _, seconds = word.partition("=")
        if (
            name not in JOBS
            or name in found
            or not re.fullmatch(r"[0-9]{1,5}(\.[0-9])?", seconds)
            or not float(seconds)
        ):
            raise ValueError(f"a comma-separated list such as {JOBS[0]}=30, of {', '.join(JOBS)}")
        found[name] = float(seconds)
    return found


def _build(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:+/@-]{1,128}", text):
        raise ValueError("up to 128 letters, digits and ._:+/@-")
    return text


@dataclass(frozen=True)
class _Rule:
    parse: Callable[[str], object]
    default: str | None = None
    secret: bool = False


_RULES: dict[str, _Rule] = {
    "ENVIRONMENT": _Rule(_one_of(*ENVIRONMENTS)),
    "DATABASE_URL": _Rule(_url("postgresql", "postgres"), secret=True),
    "REDIS_URL": _Rule(_url("redis", "rediss"), secret=True),
    "SMTP_URL": _Rule(_url("smtp", "smtps"), secret=True),
    "SECRET_KEY": _Rule(_secret, secret=True),
    "PUBLIC_URL": _Rule(_url("https", "http")),
    "RATE_LIMIT_PER_MINUTE": _Rule(_integer(1, 100_000_000), "300"),
    "CACHE_ENABLED": _Rule(_boolean, "true"),
    "CACHE_TTL_SECONDS": _Rule(_integer(1, 86_400), "60"),
    "CACHE_STALE_SECONDS": _Rule(_integer(0, 86_400), "600"),
    "CORS_ORIGINS": _Rule(_origins, ""),
    "TRUSTED_PROXIES": _Rule(_networks, ""),
    "METRICS_NETWORKS": _Rule(_networks, "127.0.0.0/8,::1/128"),
    "REQUEST_TIMEOUT_SECONDS": _Rule(_seconds, "10"),
    "DRAIN_SECONDS": _Rule(_seconds, "1"),
    "MAIL_FROM": _Rule(_address, "no-reply@dealradar.test"),
    "SMTP_TIMEOUT_SECONDS": _Rule(_seconds, "5"),
    "NOTIFY_DEDUP_MINUTES": _Rule(_integer(0, 10_080), "60"),
    "NOTIFY_MAX_ATTEMPTS": _Rule(_integer(1, 20), "3"),
    "NOTIFY_BACKOFF_SECONDS": _Rule(_seconds, "1"),
    "LOCK_TTL_SECONDS": _Rule(_integer(1, 3_600), "15"),
    "JOB_TIMEOUT_SECONDS": _Rule(_integer(1, 3_600), "60"),
    "JOBS": _Rule(_jobs, "alerts=30,imports=10,rollup=60,cleanup=300,warm=300"),
    "LOG_LEVEL": _Rule(_one_of(*LOG_LEVELS), "info"),
    "BUILD_ID": _Rule(_build),
}


def load_settings(environ: Mapping[str, str], folder: Path = SERVICE_FOLDER) -> Settings:
    """Read and check every setting. Raises SettingsError for the first that is wrong."""
    if not environ.get("ENVIRONMENT"):
        raise SettingsError(f"ENVIRONMENT is not set: expected one of {', '.join(ENVIRONMENTS)}")
    environment = str(_parse("ENVIRONMENT", environ["ENVIRONMENT"], "the environment"))
    path = folder / f".env.{environment}"
    filed = _read_file(path) if path.is_file() else {}
    if filed.get("ENVIRONMENT", environment) != environment:
        raise SettingsError(f"ENVIRONMENT in {path.name} contradicts the environment, which says {environment}")
    values: dict[str, object] = {}
    for key, rule in _RULES.items():
        if key in environ:
            values[key.lower()] = _parse(key, environ[key], "the environment")
        elif key in filed:
            values[key.lower()] = _parse(key, filed[key], path.name)
        elif key == "BUILD_ID":
            values[key.lower()] = source_build_id()
        elif rule.default is None:
            raise SettingsError(f"{key} is not set: give it in the environment or in {path.name}")
        else:
            values[key.lower()] = rule.parse(rule.default)
    return Settings(**values)  # type: ignore[arg-type]


def source_build_id(package: Path = PACKAGE) -> str:
    """Name a build by the digest of the package's own sources, for when nobody named it."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*")):
        if path.suffix in SOURCE_SUFFIXES:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"source-{digest.hexdigest()[:12]}"


def _parse(key: str, text: str, where: str) -> object:
    rule = _RULES[key]
    try:
        return rule.parse(text)
    except ValueError as error:
        found = "" if rule.secret else f", found {text[:80]!r}"
        raise SettingsError(f"{key} in {where} is malformed: expected {error}{found}") from None


def _read_file(path: Path) -> dict[str, str]:
    """Read KEY=VALUE lines; blank lines and lines that start with # are skipped, matching quotes are taken off."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.fullmatch(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", line)
        if match is None:
            raise SettingsError(f"{path.name} line {number} is malformed: expected KEY=VALUE")
        key, value = match.groups()
        if key not in _RULES:
            raise SettingsError(f"{path.name} line {number}: unknown setting {key}")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[key] = value
    return found
