"""Are the settings that the service was started with all there, in the right shape, and the ones that were promised?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from harness.model import RateLimit
from harness.preflight.check import Check, ReadinessFinding, Scene, absent, fine, nothing_to_ask, unknown, wrong

SHORTEST_SECRET = 32
"""Characters; a key of fewer can be guessed (RFC 7518 3.2 asks 256 bits of a key for HS256)."""

_SECRET_NAME = re.compile(r"(SECRET|SECRET_KEY|_KEY|PASSWORD|TOKEN)$")
_URL_NAME = re.compile(r"(URL|URI|DSN)$")
_LIMIT_NAME = re.compile(r"RATE_?LIMIT(?:_PER_(?P<unit>SECOND|MINUTE|HOUR))?$")
_PLACEHOLDERS = ("change-me", "changeme", "secret", "example", "todo", "xxx")
_SECONDS = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0}


def check_environment(scene: Scene) -> ReadinessFinding:
    """Every variable of the profile's `required_env`: set, and of the shape that its name promises."""
    required = scene.target.service.required_env
    if not required:
        return nothing_to_ask("the profile names no required_env")
    if not scene.info.owned:
        return unknown("the service was started by somebody else: its settings are not known here")
    settings = effective_settings(scene)
    problems = {name: said for name in required if (said := _problem(name, settings.get(name, "")))}
    count = f"{len(required) - len(problems)} of {len(required)}"
    told = {"variables": list(required), "problems": problems}
    if not problems:
        return fine(
            f"{count} required variables are set, each in its shape",
            value=float(len(required)),
            unit="variables",
            detail=told,
        )
    worst = "; ".join(f"{name} {said}" for name, said in problems.items())
    return wrong(
        f"{count} required variables are right: {worst}",
        f"set {', '.join(problems)} in [service.env] of the profile, with --env, or in .env.<ENVIRONMENT>",
        value=float(len(required) - len(problems)),
        unit="variables",
        detail=told,
    )


def check_ratelimit_setting(scene: Scene) -> ReadinessFinding:
    """The limit that the service was started with, against the one that the profile says it must show."""
    promised = scene.target.ratelimit
    if promised is None:
        return absent(scene.target, "ratelimit", "the profile names no [ratelimit]")
    if not scene.info.owned:
        return unknown("the service was started by somebody else: its settings are not known here")
    settings = effective_settings(scene)
    name = next((name for name in sorted(settings) if _LIMIT_NAME.search(name)), None)
    if name is None:
        return unknown("no setting's name speaks of a rate limit: only the limiter's probe can tell")
    return _compare_limit(name, settings[name], promised)


def _compare_limit(name: str, text: str, promised: RateLimit) -> ReadinessFinding:
    match = _LIMIT_NAME.search(name)
    unit_s = _SECONDS.get((match["unit"] if match else "") or "", promised.window_s)
    expected = promised.limit * unit_s / promised.window_s
    remedy = f"set {name}={expected:g}, or change [ratelimit] in the profile if the promise has changed"
    if not re.fullmatch(r"\d{1,12}(\.\d+)?", text):
        return wrong(f"{name} is no number", remedy)
    set_to = float(text)
    told = {"setting": name, "expected": expected, "set": set_to}
    unit = f"requests/{unit_s:g} s"
    if set_to != expected:
        message = f"{name} is {set_to:,.0f}; the profile promises {promised.limit} in {promised.window_s:g} s"
        return wrong(message, remedy, value=set_to, unit=unit, detail=told)
    return fine(f"{name} is {set_to:g}, as the profile promises", value=set_to, unit=unit, detail=told)


def effective_settings(scene: Scene) -> Mapping[str, str]:
    """What the service works with: its environment, and below it the file `.env.<ENVIRONMENT>` in its folder."""
    return {**filed_settings(scene), **scene.info.settings}


def filed_settings(scene: Scene) -> Mapping[str, str]:
    """What the file `.env.<ENVIRONMENT>` in the service's folder says; nothing if there is none."""
    return _env_file(Path(scene.target.service.cwd) / f".env.{scene.info.settings.get('ENVIRONMENT', '')}")


def _env_file(path: Path) -> dict[str, str]:
    """`KEY=VALUE` lines of a file, without quotes; nothing if there is no such file."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {
        name.strip().removeprefix("export "): value.strip().strip("'\"")
        for name, equals, value in pairs
        if equals and not name.lstrip().startswith("#")
    }


def _problem(name: str, value: str) -> str | None:
    """What is wrong with a variable, without its value."""
    if not value.strip():
        return "is not set"
    if _URL_NAME.search(name):
        return _url_problem(value, web=name.startswith("PUBLIC"))
    if _SECRET_NAME.search(name):
        if any(value.lower().startswith(word) for word in _PLACEHOLDERS):
            return "is still a placeholder"
        if len(value) < SHORTEST_SECRET:
            return f"has {len(value)} characters, {SHORTEST_SECRET} at least were expected"
    return None


def _url_problem(value: str, *, web: bool) -> str | None:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return "is no URL"
    if not parts.scheme or not parts.hostname or port == 0 or re.search(r"\s", value):
        return "is no URL with a scheme and a host"
    if web and parts.scheme not in ("http", "https"):
        return "is no absolute http(s) URL"
    return None


CHECKS = (
    Check(id="preflight.environment", order=10, subject="settings", title="required variables", ask=check_environment),
    Check(
        id="preflight.ratelimit_setting",
        order=20,
        subject="settings",
        title="rate limit as promised",
        ask=check_ratelimit_setting,
    ),
)
