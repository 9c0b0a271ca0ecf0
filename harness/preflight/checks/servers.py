"""Do database, cache server and mail server answer, and are they what the target needs?

A server that does not answer is an `error`: it is part of the stack, not of the service
(docs/policy.md#whose-fault-a-failure-is), and nothing is known of what it holds. No message carries a password:
servers are named by host and port.
"""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
import redis

from harness.preflight.check import (
    CannotAskError,
    Check,
    ReadinessFinding,
    Scene,
    absent,
    fine,
    nothing_to_ask,
    timed,
    unknown,
    wrong,
)
from harness.stack.servers.clients import TIMEOUT_S, connect_cache

_FULL = 0.9
_SAVES = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
_TABLES = "select tablename from pg_catalog.pg_tables where schemaname = 'public' and tablename = any(%s)"


def check_database(scene: Scene) -> ReadinessFinding:
    """A connection, its version, and the tables that the profile names, counted."""
    url = database_address(scene)
    if isinstance(url, ReadinessFinding):
        return url
    expected = scene.target.preflight.tables
    begun = time.perf_counter()
    with connect_database(url) as connection:
        took = time.perf_counter() - begun
        found = {row[0] for row in connection.execute(_TABLES, (list(expected),))} if expected else set()
        version = ".".join(str(connection.info.server_version // 10000**step % 10000) for step in (1, 0))
    missing = [name for name in expected if name not in found]
    told = timed(took, {"version": version, "tables": len(found), "expected": len(expected), "missing": missing})
    elsewhere = "the profile names no tables" if scene.target.manifest is None else "its tables are asked for apart"
    counted = f"{len(found)} of {len(expected)} tables" if expected else elsewhere
    if missing:
        return wrong(
            f"PostgreSQL {version} answers; {counted}, missing: {', '.join(missing)}",
            "run the migrations ([service] prepare in the profile), or mend [preflight] tables",
            **told,
        )
    return fine(f"PostgreSQL {version} answers; {counted}", **told)


def database_address(scene: Scene) -> str | ReadinessFinding:
    """The URL of a Postgres to ask, or why there is none."""
    url = scene.info.database_url
    if url is None:
        return _no_server(scene, "database", "postgres", "database")
    if not urlsplit(url).scheme.startswith("postgres"):
        return unknown(f"a database of kind {urlsplit(url).scheme!r} cannot be asked")
    return url


def connect_database(url: str) -> psycopg.Connection:
    """A connection that gives up soon. Raises `CannotAskError` naming the server."""
    try:
        return psycopg.connect(url, connect_timeout=TIMEOUT_S, autocommit=True, application_name="harness preflight")
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        raise CannotAskError(
            f"the database at {_place(urlsplit(url), 5432)} does not let us in: {text.split('FATAL: ')[-1]}",
            "start it, or mend its address and account (`harness status`, `harness logs postgres`)",
        ) from error


def check_cache_server(scene: Scene) -> ReadinessFinding:
    """A PING, how much memory is used of how much, what happens when it is full, and whether saving works."""
    url = scene.info.redis_url
    if url is None:
        return _no_server(scene, "cache", "valkey", "cache server")
    took, facts = _ask_cache(url)
    used, most, policy = int(facts["used_memory"]), int(facts["maxmemory"]), str(facts["maxmemory_policy"])
    version = str(facts.get("valkey_version") or facts.get("redis_version"))
    unsaved = [name for name in _SAVES if facts.get(name, "ok") != "ok"]
    advice = _advice(facts, policy, most)
    detail = {"version": version, "used_memory": used, "maxmemory": most, "policy": policy, "advice": advice}
    told = timed(took, detail | {"append_only": bool(facts.get("aof_enabled")), "not_saved": unsaved})
    room = f"{used / 2**20:.1f} MiB used of {f'{most / 2**20:.0f} MiB' if most else 'no limit'}, {policy}"
    if unsaved:
        what = f"the cache server cannot save its data: {', '.join(unsaved)}"
        return wrong(what, "look at its log and its disk", **told)
    if most and used > _FULL * most:
        what = f"the cache server is nearly full: {room}"
        return wrong(what, "raise its maxmemory, or empty it", **told)
    said = "".join(f"; {each}" for each in advice)
    return fine(f"Valkey or Redis {version} answers; {room}{said}", **told)


def _ask_cache(url: str) -> tuple[float, dict[str, Any]]:
    """How long a PING took, and what the server says of itself. Raises `CannotAskError`."""
    try:
        with connect_cache(url) as client:
            begun = time.perf_counter()
            client.ping()
            return time.perf_counter() - begun, dict(client.info("server", "memory", "persistence", "keyspace"))
    except redis.RedisError as error:
        raise CannotAskError(
            f"the cache server at {_place(urlsplit(url), 6379)} does not answer: {' '.join(str(error).split())}",
            "start it, or mend its address and password (`harness status`, `harness logs valkey`)",
        ) from error


def _advice(facts: Mapping[str, Any], policy: str, most: int) -> list[str]:
    """What is no mistake for every use of such a server, and one for a cache."""
    spaces = [space for name, space in facts.items() if re.fullmatch(r"db\d+", name)]
    lasting = sum(int(space["keys"]) - int(space["expires"]) for space in spaces)
    if policy == "noeviction" and most:
        return ["full, it refuses to write instead of forgetting what is old"]
    if policy.startswith("volatile-") and lasting:
        return [
            f"{lasting} of {sum(int(space['keys']) for space in spaces)} keys never expire, and are never forgotten"
        ]
    return []


def check_smtp(scene: Scene) -> ReadinessFinding:
    """The mail server's greeting, EHLO and NOOP, and whether it offers STARTTLS; no mail is sent."""
    url = scene.info.smtp_url
    if url is None:
        return _no_server(scene, "mail", "smtp", "mail server")
    parts = urlsplit(url)
    begun = time.perf_counter()
    mail = _greet(parts)
    took = time.perf_counter() - begun
    told = timed(took, {"greeting": mail.greeting, "extensions": mail.extensions})
    if mail.ehlo != 250 or mail.noop != 250:
        return wrong(f"the mail server refuses to work: EHLO {mail.ehlo}, NOOP {mail.noop}", "look at its log", **told)
    if parts.scheme == "smtps":
        how = "over TLS"
    elif "starttls" in mail.extensions:
        how = "offers STARTTLS"
    elif scene.target.preflight.starttls:
        return wrong(
            "the mail server offers no STARTTLS: mails and passwords would travel in the open",
            "give it a certificate, or use smtps",
            **told,
        )
    else:
        how = "no STARTTLS"
    return fine(f"the mail server greets and answers; {how}", **told)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailGreeting:
    """What a mail server said of itself, and the codes of its answers."""

    ehlo: int
    noop: int
    greeting: str
    extensions: list[str]


def _greet(parts: SplitResult) -> MailGreeting:
    """Raises `CannotAskError` naming the server."""
    kind, port = (smtplib.SMTP_SSL, 465) if parts.scheme == "smtps" else (smtplib.SMTP, 25)
    try:
        with kind(parts.hostname or "", parts.port or port, timeout=TIMEOUT_S) as mail:
            ehlo, greeting = mail.ehlo()
            noop, _ = mail.noop()
            shown = greeting.decode("utf-8", "replace")[:200]
            return MailGreeting(ehlo=ehlo, noop=noop, greeting=shown, extensions=sorted(mail.esmtp_features))
    except (OSError, smtplib.SMTPException) as error:
        raise CannotAskError(
            f"the mail server at {_place(parts, 25)} does not answer: {' '.join(str(error).split())}",
            "start it, or mend SMTP_URL",
        ) from error


def _no_server(scene: Scene, key: str, need: str, name: str) -> ReadinessFinding:
    """Why there is no address: the profile has none of it, or somebody else knows it."""
    if key in scene.target.absent:
        return absent(scene.target, key, "")
    if scene.info.owned or (scene.target.service.command and need not in scene.target.service.needs):
        return nothing_to_ask(f"the profile names no {name} (no {need!r} in [service] needs)")
    return unknown(f"the service was started by somebody else: the address of its {name} is not known here")


def _place(parts: SplitResult, port: int) -> str:
    return f"{unquote(parts.hostname or '')}:{parts.port or port}"


CHECKS = (
    Check(
        id="preflight.database",
        order=110,
        subject="postgres",
        title="database and tables",
        ask=check_database,
        live=True,
    ),
    Check(
        id="preflight.cache_server",
        order=160,
        subject="valkey",
        title="cache server and memory",
        ask=check_cache_server,
        live=True,
    ),
    Check(id="preflight.smtp", order=170, subject="smtp", title="mail server", ask=check_smtp, live=True),
)
