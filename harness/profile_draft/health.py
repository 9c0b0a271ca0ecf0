"""Where a service says that it lives, that it is ready, and which build it is."""

from __future__ import annotations

from harness.probes.exchange import Exchange
from harness.profile_draft.parts import Key, Part
from harness.profile_draft.reader import Reader, kind_of

_LIVE = ("/health/live", "/livez", "/healthz", "/health", "/actuator/health/liveness", "/actuator/health")
_READY = ("/health/ready", "/readyz", "/ready", "/actuator/health/readiness")
_BUILD = ("/health/build", "/version", "/api/version", "/build", "/info", "/actuator/info")
_BUILD_MEMBERS = ("build", "commit", "revision", "version", "id")
_SICK = frozenset({"down", "fail", "failing", "error", "unhealthy", "out_of_service"})
_LONGEST_BUILD = 200


def find_health(reader: Reader, anything: str) -> Part:
    """Ask the usual places. `anything` is the media type of the answer to a path that no service has ("" for none):
    a place that answers alike says nothing.
    """
    keys: list[Key] = []
    notes: list[str] = []
    for name, places in (("live", _LIVE), ("ready", _READY)):
        for place in places:
            answer = reader.ask(place)
            if kind_of(answer) not in ("", "text/html", anything) and not _status(answer) & _SICK:
                keys.append(Key(name=name, value=place, why=f"GET {place} answered 200"))
                break
            if answer is not None and answer.status == 503:
                notes.append(f"GET {place} answered 503: it may be the check for {name!r}, of a service that is not.")
    missing = {"live", "ready"} - {key.name for key in keys}
    if not missing:
        return Part(table="health", keys=tuple(keys), notes=tuple(notes))
    example = [f'{name} = "/{name}"' for name in sorted(missing)]
    notes.append(f"No path for {' and '.join(sorted(missing))} was found. If there is one:")
    return Part(
        table="health",
        keys=tuple(keys),
        notes=tuple(notes),
        example=tuple(example if keys else ["[health]", *example]),
    )


def find_build(reader: Reader, anything: str) -> Part:
    """Ask the usual places which build runs."""
    for place in _BUILD:
        answer = reader.ask(place)
        if answer is not None and kind_of(answer) not in ("", "text/html", anything) and (build := _build(answer)):
            why = f"GET {place} answered {build!r}"
            return Part(table="build", keys=(Key(name="path", value=place, why=why),))
    note = "No path that names the build was found. If there is one:"
    return Part(table="build", notes=(note,), example=("[build]", 'path = "/version"'))


def _status(answer: Exchange | None) -> frozenset[str]:
    """What a JSON answer says of itself, in small letters."""
    document = _document(answer) if answer is not None else None
    said = document.get("status") if isinstance(document, dict) else None
    return frozenset({said.lower()}) if isinstance(said, str) else frozenset()


def _build(answer: Exchange) -> str:
    """The build as a run would report it; "" if the answer names none."""
    document = _document(answer)
    if isinstance(document, dict):
        named = (document.get(member) for member in _BUILD_MEMBERS)
        return next((str(one)[:_LONGEST_BUILD] for one in named if isinstance(one, str | int) and one), "")
    if document is not None and not isinstance(document, str):
        return ""
    text = document or answer.text.strip()
    return text if len(text) <= _LONGEST_BUILD and "\n" not in text else ""


def _document(answer: Exchange) -> object:
    """The answer as JSON; None if it is none."""
    try:
        document: object = answer.json()
    except (ValueError, RecursionError):
        return None
    return document
