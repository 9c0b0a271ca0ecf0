"""Waivers: somebody's signed word that a criterion need not hold for a while (docs/policy.md#waivers)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness.config.toml_reader import TomlFile, Where, nearest, read_toml
from harness.errors import BrokenRunError, ConfigError
from harness.machine.decoding import Reader
from harness.model import Policy, Waiver

_WAIVERS = Reader(tuple[Waiver, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiver:
    criterion: str
    owner: str
    reason: str
    expires: Any
    target: str | None = None
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waivers:
    schema: int = 1
    waiver: tuple[_Waiver, ...] = ()


def load_waivers(path: Path, policy: Policy) -> tuple[Waiver, ...]:
    """The waivers of a file; none if there is no such file, since that can only be stricter.

    Whether one is in force is judged at the end of a run, not here. Raises `ConfigError` for one that could never be:
    no owner, reason or date, or for a criterion that nobody may waive or that no policy beside the file has.
    """
    if not path.exists():
        return ()
    file = read_toml(path)
    written = file.read(_Waivers)
    if written.schema != 1:
        raise file.error(f"is {written.schema}; `schema = 1` was expected, this harness knows no other", ("schema",))
    waivable = {criterion.id: criterion.waivable for criterion in policy.criteria}
    elsewhere = _ids_beside(path)
    waivers = []
    for index, entry in enumerate(written.waiver):
        at: Where = ("waiver", index)
        if entry.criterion not in waivable and entry.criterion not in elsewhere:
            what = f"no criterion {entry.criterion!r}; {nearest(entry.criterion, {*waivable, *elsewhere})}"
            raise file.error(what, (*at, "criterion"))
        if not waivable.get(entry.criterion, True):
            what = f"criterion {entry.criterion!r} cannot be waived: its policy says waivable = false"
            raise file.error(what, (*at, "criterion"))
        waivers.append(_waiver(file, entry, at))
    return tuple(waivers)


def _waiver(file: TomlFile, entry: _Waiver, at: Where) -> Waiver:
    for key, text in (("owner", entry.owner), ("reason", entry.reason)):
        if not text.strip():
            raise file.error("is empty; a waiver without it is not in force", (*at, key))
    return Waiver(
        criterion=entry.criterion,
        owner=entry.owner,
        reason=entry.reason,
        expires=_expiry(file, entry.expires, (*at, "expires")),
        target=entry.target,
        link=entry.link,
    )


def _expiry(file: TomlFile, written: object, at: Where) -> str:
    """A TOML date, or one in quotes."""
    if isinstance(written, date) and not isinstance(written, datetime):
        return written.isoformat()
    try:
        return date.fromisoformat(str(written)).isoformat()
    except ValueError:
        raise file.error(f"a date such as 2027-01-31 was expected, not {written}", at) from None


def _ids_beside(path: Path) -> frozenset[str]:
    """Ids of the criteria of all policies in the waivers' folder: one file of waivers serves them all."""
    ids: set[str] = set()
    for other in path.parent.glob("*.toml"):
        if other.resolve() == path.resolve():
            continue
        try:
            entries = read_toml(other).document.get("criterion")
        except ConfigError:
            continue  # it is not the policy in use, and says so itself when it is
        if isinstance(entries, list):
            ids.update(entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str))
    return frozenset(ids)


def waivers_document(waivers: Sequence[Waiver]) -> dict[str, Any]:
    """The waivers as a JSON object."""
    return {"waivers": msgspec.to_builtins(list(waivers))}


def waivers_from_document(document: Mapping[str, Any]) -> tuple[Waiver, ...]:
    """The waivers of a run. Raises `BrokenRunError` if the document holds none."""
    try:
        return _WAIVERS.data(document.get("waivers"))
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"waivers.json: are not waivers as this harness writes them ({error})") from error
