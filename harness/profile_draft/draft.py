"""Drafts a profile: looks at one subject after the other, the likeliest to matter first, and writes down what it saw.

What was not seen is not called absent: that is for a person to say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.config import generic_target, load_target
from harness.errors import ConfigError, HarnessError, UnreachableError, UsageError
from harness.model import Target
from harness.model.network import is_loopback
from harness.probes.exchange import Exchange
from harness.profile_draft.description import LoginShape, find_description
from harness.profile_draft.pages import find_pages
from harness.profile_draft.parts import DraftKey, DraftTable, comment, quoted
from harness.profile_draft.reader import DraftReader, kind_of, service_address
from harness.profile_draft.traffic import answering, find_cache, find_clients, find_limit, load_parts

_MOST_READS = 6
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
_LIVE = ("/health/live", "/livez", "/healthz", "/health", "/actuator/health/liveness", "/actuator/health")
_READY = ("/health/ready", "/readyz", "/ready", "/actuator/health/readiness")
_BUILD = ("/health/build", "/version", "/api/version", "/build", "/info", "/actuator/info")
_BUILD_MEMBERS = ("build", "commit", "revision", "version", "id")
_SICK = frozenset({"down", "fail", "failing", "error", "unhealthy", "out_of_service"})
_LONGEST_BUILD = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A profile's tables, and how they came about."""

    name: str
    url: str
    parts: tuple[DraftTable, ...]
    requests: int
    slowest_s: float
    remarks: tuple[str, ...]

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
            "schema = 1",
            f'name = "{self.name}"',
        ]
        return "\n\n".join(["\n".join(head), *(part.toml for part in self.parts)]) + "\n"


def draft_profile(reader: DraftReader, name: str) -> Draft:
    """Look at the service and draft its profile, which the profile loader has accepted.

    Raises `UnreachableError` if nothing answers at `/`, and `HarnessError` if the draft is no profile after all.
    """
    front = reader.front()
    parts = tuple(_look(reader, front))
    draft = Draft(
        name=name,
        url=reader.url,
        parts=parts,
        requests=reader.count,
        slowest_s=reader.slowest_s,
        remarks=tuple(_remarks(reader, front)),
    )
    read_draft(draft)
    return draft


def _look(reader: DraftReader, front: Exchange) -> Iterator[DraftTable]:
    yield DraftTable(table="service", keys=(DraftKey(name="url", value=reader.url, why=""),))
    anything = kind_of(reader.ask(reader.unknown_path()))
    description = find_description(reader, front)
    health, build = _health(reader, anything), _build(reader, anything)
    yield health
    yield build
    own = {key.value for key in (*health.keys, *build.keys)} | {description.path}
    reads = answering(reader, [path for path in description.reads if path not in own], _MOST_READS)
    pages = find_pages(reader)
    every = (*reads, *(page for page in pages.shown if page not in reads))
    ratelimit, limit, limited = find_limit(reader, every or ("/",))
    yield ratelimit
    cached = find_cache(reader, every)
    clients, way = find_clients(reader, limited)
    yield clients
    yield cached
    yield _auth(description.login)
    yield from pages.parts
    yield description.part
    yield _cors(reader, every or ("/",))
    yield from load_parts(tuple(dict.fromkeys([*reads, *pages.shown[:1]])), limit, way)
    yield _allow(reader.url)
    yield DraftTable(
        table="absent",
        notes=("What the service does not have at all is for a person to say, with the reason, such as:",),
        example=("[absent]", 'mail = "sends none"'),
    )


def _health(reader: DraftReader, anything: str) -> DraftTable:
    """Ask the usual places. `anything` is the media type of the answer to a path that no service has ("" for none):
    a place that answers alike says nothing.
    """
    keys: list[DraftKey] = []
    notes: list[str] = []
    for name, places in (("live", _LIVE), ("ready", _READY)):
        for place in places:
            answer = reader.ask(place)
            if _is_well(answer, anything):
                keys.append(DraftKey(name=name, value=place, why=f"GET {place} answered 200"))
                break
            if answer is not None and answer.status == 503:
                notes.append(f"GET {place} answered 503: it may be the check for {name!r}, of a service that is not.")
    missing = {"live", "ready"} - {key.name for key in keys}
    if not missing:
        return DraftTable(table="health", keys=tuple(keys), notes=tuple(notes))
    example = [f'{name} = "/{name}"' for name in sorted(missing)]
    notes.append(f"No path for {' and '.join(sorted(missing))} was found. If there is one:")
    return DraftTable(
        table="health",
        keys=tuple(keys),
        notes=tuple(notes),
        example=tuple(example if keys else ["[health]", *example]),
    )


def _build(reader: DraftReader, anything: str) -> DraftTable:
    """Ask the usual places which build runs."""
    for place in _BUILD:
        answer = reader.ask(place)
        if answer is None or kind_of(answer) in ("", "text/html", anything):
            continue
        build = _named_build(answer)
        if build is not None:
            why = f"GET {place} answered {build!r}"
            return DraftTable(table="build", keys=(DraftKey(name="path", value=place, why=why),))
    note = "No path that names the build was found. If there is one:"
    return DraftTable(table="build", notes=(note,), example=("[build]", 'path = "/version"'))


def _is_well(answer: Exchange | None, anything: str) -> bool:
    """A 200 that no page is, nor what every path answers, and that does not say itself that something is wrong."""
    return kind_of(answer) not in ("", "text/html", anything) and not _said_status(answer) & _SICK


def _said_status(answer: Exchange | None) -> frozenset[str]:
    """What a JSON answer says of itself, in small letters."""
    document = _document(answer) if answer is not None else None
    said = document.get("status") if isinstance(document, dict) else None
    return frozenset({said.lower()}) if isinstance(said, str) else frozenset()


def _named_build(answer: Exchange) -> str | None:
    """The build as a run would report it; None if the answer names none."""
    document = _document(answer)
    match document:
        case dict():
            named = (document.get(member) for member in _BUILD_MEMBERS)
            return next((str(one)[:_LONGEST_BUILD] for one in named if isinstance(one, str | int) and one), None)
        case None | str():
            text = document or answer.text.strip()
            return text if text and len(text) <= _LONGEST_BUILD and "\n" not in text else None
    return None


def _document(answer: Exchange) -> object:
    """The answer as JSON; None if it is none."""
    try:
        document: object = answer.json()
    except (ValueError, RecursionError):
        return None
    return document


def _allow(url: str) -> DraftTable:
    host = urlsplit(url).hostname or ""
    note = (
        f"Reads and load may go to {host} as it is; what writes or attacks, with --active, or always with:"
        if is_loopback(url)
        else f"Nothing but reads is sent to {host}, until this allows load, writes and attacks:"
    )
    return DraftTable(table="allow", notes=(note,), example=("[allow]", f"hosts = [{quoted(host)}]"))


def _auth(login: LoginShape | None) -> DraftTable:
    account = (
        "[auth.roles.user]",
        'username = "{env.TARGET_USERNAME}"',
        'password = "{env.TARGET_PASSWORD}"',
    )
    fill = "An account that exists, in the environment variables named here or others, lets checks log in:"
    if login is None:
        note = "No operation that takes a user's name and a password as JSON was found in a description of the API."
        example = ("[auth]", 'login = "/login"', 'body = { username = "{username}", password = "{password}" }')
        return DraftTable(table="auth", notes=(note, f"If there is one: {fill}"), example=(*example, *account))
    why = f"POST {login.path} is described with {login.username} and {login.password}; it was not tried"
    token = login.token or "access_token"
    why_token = "described in its answer" if login.token else "usual; the description does not say where the token is"
    body = {login.username: "{username}", login.password: "{password}"}
    also = (f"The body must also have: {', '.join(login.also)}.",) if login.also else ()
    return DraftTable(
        table="auth",
        keys=(
            DraftKey(name="login", value=login.path, why=why),
            DraftKey(name="body", value=body, why=why),
            DraftKey(name="token", value=token, why=why_token),
        ),
        notes=(*also, fill),
        example=account,
    )


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
            found = read_draft(draft_profile(reader, generic.name))
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
