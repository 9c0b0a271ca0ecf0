"""Drafts a profile: looks at one subject after the other, the likeliest to matter first, and writes down what it saw.

What was not seen is not called absent: that is for a person to say.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.config import generic_target, load_target
from harness.errors import ConfigError, HarnessError, UnreachableError, UsageError
from harness.machine.bundle import root
from harness.model import Target
from harness.model.network import is_loopback
from harness.probes.exchange import Exchange
from harness.profile_draft.description import Description, find_description
from harness.profile_draft.health import find_build, find_health
from harness.profile_draft.logins import account_lines, auth_table, refusing_login
from harness.profile_draft.pages import MOST_LINKS, FoundPages, find_pages
from harness.profile_draft.parts import DraftKey, DraftTable, comment, quoted
from harness.profile_draft.reader import DraftReader, media_type_of, service_address
from harness.profile_draft.traffic import answering, find_cache, find_clients, find_limit, load_parts

_MOST_READS = 6
_MOST_STEPS = 3
_FEW_PAGES = 6
"""A gate of a bare address ends within 90 s."""
_NAMELESS = frozenset(
    {"home", "index", "welcome", "login", "log-in", "sign-in", "api", "swagger-ui", "redoc", "untitled", "document"}
)
_FOR_PEOPLE = ("allow", "absent")
"""Tables that no look at a service can fill."""
_SECURITY_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "Permissions-Policy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A profile's tables, and how they came about."""

    name: str
    url: str
    parts: tuple[DraftTable, ...]
    requests: int
    slowest_s: float
    remarks: tuple[str, ...]
    steps: tuple[str, ...]
    """What would prove most if it were added, in turn: the lines, and what they would prove."""

    @property
    def not_found(self) -> tuple[str, ...]:
        """Tables of what was looked for and not seen."""
        return tuple(part.table for part in self.parts if not part.keys and part.table not in _FOR_PEOPLE)

    @property
    def toml(self) -> str:
        """The profile as text."""
        head = [
            comment(f"Drafted by `harness init {self.url}` from {self.requests} reads; nothing else was sent."),
            comment('A line below "guessed" says what was seen: check it. What stands behind a `#` can be taken over.'),
            *(comment(remark) for remark in self.remarks),
            *(comment(f"Would prove most: {step}") for step in self.steps),
            "schema = 1",
            f'name = "{self.name}"',
        ]
        return "\n\n".join(["\n".join(head), *(part.toml for part in self.parts)]) + "\n"


def draft_profile(reader: DraftReader, name: str = "", most_pages: int = MOST_LINKS) -> Draft:
    """Look at the service and draft its profile, which the profile loader has accepted. Without a name it has the
    service's own, where that is known.

    Raises `UnreachableError` if nothing answers at `/`, and `HarnessError` if the draft is no profile after all.
    """
    front = reader.front()
    seen = _see(reader, front, most_pages)
    parts = tuple(_look(reader, front, seen))
    draft = Draft(
        name=name or name_of(reader.url, seen.description.title, seen.pages.title),
        url=reader.url,
        parts=parts,
        requests=reader.count,
        slowest_s=reader.slowest_s,
        remarks=tuple(_remarks(reader, front)),
        steps=tuple(_steps(parts, reader.url))[:_MOST_STEPS],
    )
    read_draft(draft)
    return draft


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is looked at first: the media type of any path, the description, and pages."""

    anything: str
    description: Description
    pages: FoundPages


def _see(reader: DraftReader, front: Exchange, most_pages: int) -> _Seen:
    anything = media_type_of(reader.ask(reader.unknown_path()))
    description = find_description(reader, front)
    return _Seen(anything, description, find_pages(reader, most_pages))


def name_of(url: str, *titles: str) -> str:
    """A target's name: the first title that names something, else host and port. None of ours, whose suites it would
    be held against."""
    ours = {path.stem for path in (root() / "profiles").glob("*.toml")}
    for title in titles:
        word = re.sub(r"[^a-z0-9]+", "-", re.split(r"[|:\u2013\u2014\u00b7]| - ", title.lower())[0])[:40].strip("-")
        if word and word not in _NAMELESS:
            return f"{word}-draft" if word in ours else word
    return re.sub(r"[^a-z0-9._-]+", "-", urlsplit(url).netloc.lower())[:64].strip("-._") or "service"


def _steps(parts: Iterable[DraftTable], url: str) -> Iterator[str]:
    """What proves most first: what is behind a login, then what only the harness's own start can show."""
    found = {part.table: part for part in parts}
    if "auth.register" in found:
        yield "`harness gate --active`, on a service that may be written to: what accounts of its own must not see"
    elif found["auth"].keys:
        yield f"{' '.join(found['auth'].example)}: what is behind the login"
    yield '[service] command = ["…"] in place of url: start, settings, restarts, data, writes and attacks'
    if not found["openapi"].keys and "api" not in found:
        yield '[api] paths = ["/…"]: answers of an API that no document describes'
    if not is_loopback(url):
        yield f"[allow] {_hosts_line(url)}: load, and with it writes and attacks"
    if not found["auth"].keys:
        yield f"[auth] kind or login, then {' '.join(account_lines(None))}: what is behind a login"
    if not found["ratelimit"].keys:
        yield "[ratelimit] limit = 300: that one client is refused beyond it"


def _look(reader: DraftReader, front: Exchange, seen: _Seen) -> Iterator[DraftTable]:
    yield DraftTable(table="service", keys=(DraftKey(name="url", value=reader.url, why=""),))
    description, pages = seen.description, seen.pages
    health, build = find_health(reader, seen.anything, description.reads), find_build(reader, seen.anything)
    yield health
    yield build
    known = {description.path, *(str(key.value) for key in (*health.keys, *build.keys))}
    described = answering(reader, description.reads, known, _MOST_READS)
    api = answering(reader, pages.reads, {*known, *pages.shown, *described}, _MOST_READS)
    reads = (*described, *api)
    every = tuple(dict.fromkeys((*reads, *pages.shown)))
    ratelimit, limit, limited = find_limit(reader, every or ("/",))
    yield ratelimit
    cached = find_cache(reader, every)
    clients, way = find_clients(reader, limited)
    yield clients
    yield cached
    yield auth_table(description.login or refusing_login(front) or pages.login)
    registration = description.registration if description.login is not None else pages.registration
    if registration is not None:
        yield registration
    yield from pages.parts
    if api:
        why = "the front page links to it or its script reads it, and it answered 200"
        yield DraftTable(table="api", keys=(DraftKey(name="paths", value=api, why=why),))
    yield description.part
    yield _cors(reader, every or ("/",))
    yield from load_parts(tuple(dict.fromkeys([*reads, *pages.shown[:1]])), limit, way)
    yield _allow(reader.url)
    yield DraftTable(
        table="absent",
        notes=("What the service does not have at all is for a person to say, with the reason, such as:",),
        example=("[absent]", 'mail = "sends none"'),
    )


def _hosts_line(url: str) -> str:
    return f"hosts = [{quoted(urlsplit(url).hostname or '')}]"


def _allow(url: str) -> DraftTable:
    host = urlsplit(url).hostname or ""
    note = (
        f"Reads and load may go to {host} as it is; what writes or attacks, with --active, or always with:"
        if is_loopback(url)
        else f"Nothing but reads is sent to {host}, until this allows load, writes and attacks:"
    )
    return DraftTable(table="allow", notes=(note,), example=("[allow]", _hosts_line(url)))


def _cors(reader: DraftReader, paths: tuple[str, ...]) -> DraftTable:
    example = ("[cors]", 'origins = ["https://app.example.org"]')
    for path in paths:
        answer = reader.ask(path)
        allowed = answer.header("Access-Control-Allow-Origin") if answer is not None else None
        if allowed == "*":
            return DraftTable(
                table="cors", notes=(f"GET {path} lets every origin in (Access-Control-Allow-Origin: *).",)
            )
        if allowed and _is_origin(allowed):
            why = f"GET {path} names it in Access-Control-Allow-Origin"
            return DraftTable(table="cors", keys=(DraftKey(name="origins", value=(allowed,), why=why),))
    return DraftTable(
        table="cors", notes=("No answer named an origin that is let in. If one must be:",), example=example
    )


def _is_origin(text: str) -> bool:
    try:
        return service_address(text) == text and not urlsplit(text).path
    except UsageError:
        return False


def _remarks(reader: DraftReader, front: Exchange) -> Iterator[str]:
    yield f"The slowest answer took {reader.slowest_s * 1000:.0f} ms."
    location = front.header("Location") if 300 <= front.status < 400 else None
    if location is not None and reader.local_path(location) is None:
        yield f"GET / answered {front.status} and leads elsewhere, to {location}: is that the address to look at?"
    elif front.status >= 400:
        yield f"GET / answered {front.status}."
    yield _security_headers(front)
    if reader.stopped:
        yield f"Not everything was looked for: {reader.stopped}."


def _security_headers(front: Exchange) -> str:
    seen = [name for name in _SECURITY_HEADERS if front.header(name) is not None]
    lacking = [name for name in _SECURITY_HEADERS if name not in seen]
    return f"Security headers of GET /: {', '.join(seen) or 'none'}; not seen: {', '.join(lacking) or 'none'}."


def target_at(url: str, *, total_s: float = 20.0) -> Target:
    """What plain reads show of a service that nobody described: a draft, held in memory.

    Where nothing answers nothing is known but the address. Raises `UsageError` for no http(s) URL.
    """
    generic = generic_target(url)
    try:
        with DraftReader(generic.service.url, total_s=total_s) as reader:
            found = read_draft(draft_profile(reader, generic.name, _FEW_PAGES))
    except UnreachableError:
        return generic
    return replace(found, source="", service=generic.service)


def read_draft(draft: Draft) -> Target:
    """The target that a draft describes. Raises `HarnessError` where the draft is no profile after all."""
    with tempfile.TemporaryDirectory(prefix="harness-init-") as folder:
        path = Path(folder) / "draft.toml"
        path.write_text(draft.toml, encoding="utf-8")
        try:
            return load_target(str(path), Path(folder))
        except ConfigError as error:
            raise HarnessError(f"the draft for {draft.url} is no profile, which is a bug: {error.message}") from error
