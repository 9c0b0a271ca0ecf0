"""Does the service answer, does its cache work, and do all clocks agree?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import redis

from harness.errors import UsageError
from harness.model import Target
from harness.preflight.check import (
    CannotAskError,
    Check,
    ReadinessFinding,
    Scene,
    absent,
    fine,
    nothing_to_ask,
    timed,
    wrong,
)
from harness.preflight.checks.servers import connect_database
from harness.probes.exchange import Exchange
from harness.probes.headers import parse_date
from harness.probes.http import ServiceUnavailable
from harness.probes.login import client_of
from harness.probes.login_headers import login_headers
from harness.stack.servers.clients import connect_cache

MOST_SKEW_S = 2.0
"""Seconds by which two clocks may differ: tokens, cookies and cache lifetimes are counted in seconds."""

_TRIES = 3
"""The first may fill the cache, the second may come while the filling still runs."""


def check_service(scene: Scene) -> ReadinessFinding:
    """The profile's live and ready paths (else the front page) answer without an error."""
    health = scene.target.health
    named = list(filter(None, (health.live, health.ready)))
    found, silent = _ask_each(scene, named or ["/"])
    # without a health path any answer will do that is not the server's own failure
    bad = [f"GET {path}: status {one.status}" for path, one in found.items() if one.status >= (400 if named else 500)]
    problems = [*bad, *silent]
    answers = {path: {"status": one.status, "seconds": round(one.elapsed_s, 6)} for path, one in found.items()}
    took = sum(float(answer["seconds"]) for answer in answers.values())
    told = timed(took, {"answers": answers, "problems": problems})
    if problems:
        return wrong("; ".join(problems), "look at the service's log: harness logs", **told)
    shown = ", ".join(f"GET {path}: {answer.status}" for path, answer in found.items())
    return fine(shown, n=len(answers), **told)


def _ask_each(scene: Scene, paths: list[str]) -> tuple[dict[str, Exchange], list[str]]:
    """The answers until one does not come, and the words for that one."""
    found: dict[str, Exchange] = {}
    with client_of(scene.target, scene.info) as client:
        for path in paths:
            try:
                found[path] = client.exchange("GET", path)
            except ServiceUnavailable as error:
                return found, [f"GET {path}: {error.what}"]
    return found, []


def check_cache_on(scene: Scene) -> ReadinessFinding:
    """The first cached path of the profile, asked again, comes from the cache and says so."""
    cache = scene.target.cache
    if not cache.paths:
        return absent(scene.target, "cache", "the profile names no [cache] paths")
    path = next((path for path in cache.paths if path not in cache.roles), cache.paths[0])
    seen: list[str] = []
    seconds: list[float] = []
    with client_of(scene.target, scene.info) as client:
        headers = _login_header(scene, cache.roles.get(path))
        for _ in range(_TRIES):
            try:
                answer = client.exchange("GET", path, headers=headers)
            except ServiceUnavailable as error:
                return wrong(
                    f"GET {path}: {error.what}", "look at the service's log: harness logs", subject=f"GET {path}"
                )
            seconds.append(answer.elapsed_s)
            seen.append(_mark(answer, cache.header))
            if answer.status >= 400 or "hit" in seen[-1].lower():
                break
    told = {"seen": seen, "header": cache.header, "seconds_each": [round(each, 6) for each in seconds]}
    subject = f"GET {path}"
    if "hit" in seen[-1].lower():
        message = f"GET {path}: {cache.header} {' → '.join(seen)}"
        return fine(message, subject=subject, value=seconds[-1], unit="s", n=len(seen), detail=told)
    return wrong(
        f"GET {path}, asked {len(seen)} times, never came from the cache: {cache.header} {' → '.join(seen)}",
        _cache_remedy(scene.target),
        subject=subject,
        n=len(seen),
        detail=told,
    )


def _mark(answer: Exchange, header: str) -> str:
    if answer.status >= 400:
        return f"status {answer.status}"
    return answer.header(header) or "absent"


def _cache_remedy(target: Target) -> str:
    off = " or ".join(f"{name}={value}" for name, value in target.cache.off.items())
    return (
        f"switch the cache on ({off} switches it off)" if off else "switch the cache on, or mend [cache] in the profile"
    )


def _login_header(scene: Scene, role: str | None) -> dict[str, str]:
    if role is None:
        return {}
    try:
        return login_headers(scene.target, scene.info, role)
    except (AssertionError, UsageError, ServiceUnavailable) as error:
        text = str(error).splitlines()[0]
        raise CannotAskError(f"no login as {role}: {text}", "mend [auth] in the profile") from error


def check_clock(scene: Scene) -> ReadinessFinding:
    """This machine's clock against those of service, database and cache server, as far as they can be asked."""
    skews: dict[str, float] = {}
    silent: list[str] = []
    for name, ask in _clocks(scene):
        try:
            skew = _skew(ask)
        except CannotAskError:
            silent.append(name)  # its own check says what is wrong with it
            continue
        if skew is not None:
            skews[name] = round(skew, 3)
    told = {"skew_s": skews, "silent": silent}
    if not skews:
        return nothing_to_ask("the target names no clock to compare: no Date header, no database, no cache server")
    name, worst = max(skews.items(), key=lambda pair: abs(pair[1]))
    if abs(worst) > MOST_SKEW_S:
        return wrong(
            f"the clock of the {name} is {worst:+.1f} s off this machine's, {MOST_SKEW_S:g} s at most were expected",
            "set both clocks by NTP",
            value=abs(worst),
            unit="s",
            n=len(skews),
            detail=told,
        )
    shown = ", ".join(f"{each} {skew:+.2f} s" for each, skew in skews.items())
    return fine(f"clocks agree: {shown}", value=abs(worst), unit="s", n=len(skews), detail=told)


Clock = Callable[[], tuple[datetime, float] | None]
"""Reads somebody's clock: the time, and the seconds by which what it says may lag behind; None if it says nothing."""


def _clocks(scene: Scene) -> list[tuple[str, Clock]]:
    clocks: list[tuple[str, Clock]] = [("service", lambda: _service_clock(scene))]
    database, cache = scene.info.database_url, scene.info.redis_url
    if database is not None and database.startswith("postgres"):
        clocks.append(("database", lambda: _database_clock(database)))
    if cache is not None:
        clocks.append(("cache server", lambda: _cache_clock(cache)))
    return clocks


def _skew(ask: Clock) -> float | None:
    """Seconds by which a clock is ahead, the least that what was read allows; 0 if it may be right."""
    before = datetime.now(UTC)
    read = ask()
    after = datetime.now(UTC)
    if read is None:
        return None
    moment, lag = read
    earliest, latest = moment.timestamp(), moment.timestamp() + lag
    if latest < before.timestamp():
        return latest - before.timestamp()
    return max(0.0, earliest - after.timestamp())


def _service_clock(scene: Scene) -> tuple[datetime, float] | None:
    with client_of(scene.target, scene.info) as client:
        try:
            answer = client.exchange("GET", scene.target.health.live or "/")
        except ServiceUnavailable as error:
            raise CannotAskError(error.what, "") from error
    date = parse_date(answer.header("Date"))
    # whole seconds, and servers write the header anew only once a second
    return None if date is None else (date, 2.0)


def _database_clock(url: str) -> tuple[datetime, float] | None:
    with connect_database(url) as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
    return None if row is None else (row[0], 0.0)


def _cache_clock(url: str) -> tuple[datetime, float] | None:
    try:
        with connect_cache(url) as client:
            seconds, microseconds = client.time()
    except redis.RedisError as error:
        raise CannotAskError(str(error), "") from error
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC), 0.0


CHECKS = (
    Check(
        id="preflight.service",
        order=180,
        subject="service",
        title="service answers",
        ask=check_service,
        live=True,
        requests=2,
    ),
    Check(
        id="preflight.cache_on",
        order=220,
        subject="service",
        title="cache is on",
        ask=check_cache_on,
        live=True,
        requests=4,
    ),
    Check(
        id="preflight.clock", order=230, subject="clocks", title="clocks agree", ask=check_clock, live=True, requests=1
    ),
)
