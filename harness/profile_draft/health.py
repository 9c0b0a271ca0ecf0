"""Where a service says whether it lives, whether it is ready, and which build runs: the places that are usual."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.probes.exchange import Exchange
from harness.probes.surface import LIVE_PLACES, READY_PLACES
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import DraftReader, media_type_of

_CALLED_SO = re.compile(r"/(?:health(?:z|check|_check)?|status|ping|live(?:z|ness)?|alive|heartbeat)/?$", re.IGNORECASE)
_MOST_CALLED_SO = 3
_BUILD = ("/health/build", "/version", "/__version__", "/api/version", "/build", "/info", "/actuator/info")
_BUILD_MEMBERS = ("build", "commit", "revision", "version", "id")
_SICK = frozenset({"down", "fail", "failing", "error", "unhealthy", "out_of_service"})
_LONGEST_BUILD = 200


def find_health(reader: DraftReader, anything: str, described: Sequence[str] = ()) -> DraftTable:
    """Ask the usual places, and those of the described paths that are called so. `anything` is the media type of the
    answer to a path that no service has ("" for none): a place that answers alike says nothing.
    """
    keys: list[DraftKey] = []
    notes: list[str] = []
    named_so = [path for path in described if _CALLED_SO.search(path)][:_MOST_CALLED_SO]
    for name, places in (("live", (*LIVE_PLACES, *named_so)), ("ready", READY_PLACES)):
        sick, well = _first_well(reader, places, anything)
        notes += (
            f"GET {place} answered 503: it may be the check for {name!r}, of a service that is not." for place in sick
        )
        if well is not None:
            keys.append(DraftKey(name=name, value=well, why=f"GET {well} answered 200"))
    missing = {"live", "ready"} - {key.name for key in keys}
    example = [f'{name} = "/{name}"' for name in sorted(missing)]
    if missing:
        notes.append(f"No path for {' and '.join(sorted(missing))} was found. If there is one:")
    return DraftTable(
        table="health", keys=tuple(keys), notes=tuple(notes), example=tuple(example if keys else ["[health]", *example])
    )


def _first_well(reader: DraftReader, places: Sequence[str], anything: str) -> tuple[list[str], str | None]:
    """The first place that says that all is well, and those before it that are answered 503."""
    sick: list[str] = []
    for place in places:
        answer = reader.ask(place)
        if _is_well(answer, anything):
            return sick, place
        if answer is not None and answer.status == 503:
            sick.append(place)
    return sick, None


def find_build(reader: DraftReader, anything: str) -> DraftTable:
    """Ask the usual places which build runs."""
    for place in _BUILD:
        answer = reader.ask(place)
        if answer is None or media_type_of(answer) in ("", "text/html", anything):
            continue
        build = _named_build(answer)
        if build is not None:
            why = f"GET {place} answered {build!r}"
            return DraftTable(table="build", keys=(DraftKey(name="path", value=place, why=why),))
    note = "No path that names the build was found. If there is one:"
    return DraftTable(table="build", notes=(note,), example=("[build]", 'path = "/version"'))


def _is_well(answer: Exchange | None, anything: str) -> bool:
    """A 200 that no page is, nor what every path answers, and that does not say itself that something is wrong."""
    kind = media_type_of(answer)
    # some say no more than OK, and call that HTML
    is_page = kind == "text/html" and answer is not None and "<" in answer.text
    return kind not in ("", anything) and not is_page and not _said_status(answer) & _SICK


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
            return text if _is_short_line(text) else None
    return None


def _is_short_line(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_BUILD and "\n" not in text


def _document(answer: Exchange) -> object:
    """The answer as JSON; None if it is none."""
    try:
        document: object = answer.json()
    except (ValueError, RecursionError):
        return None
    return document
