"""Reads that change something: what lists hold is compared before and after each of them (RFC 9110 9.2.1).

Counters and time stamps may change by being looked at; what a list names may not. Others may write meanwhile, so a
change counts only where the lists stood still just before, and where it comes again or the read's name gives an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.http import RecordingClient
from harness.probes.landing import ask_once
from harness.probes.openapi_operation import Operation

_MOST_LISTS = 8
_MOST_READS = 40
_TRIALS = 3
_NAMES = ("id", "_id", "uuid", "slug", "key", "name", "username", "title", "email")
_MOST_NAMES = 1000

Named = tuple[str, ...]
"""What an answer lists, by names that stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A read after which a list named other things."""

    operation: Operation
    list_path: str
    before: Named
    after: Named
    exchange: Exchange

    @property
    def says(self) -> str:
        """What happened, in a sentence."""
        gone, new = len(set(self.before) - set(self.after)), len(set(self.after) - set(self.before))
        told = " and ".join(
            words for count, words in ((gone, f"{gone} that were listed are gone"), (new, f"{new} are new")) if count
        )
        return f"{self.operation.name} changed what GET {self.list_path} answers: {told or 'their number differs'}"


def find_effects(client: RecordingClient, reads: Iterable[Operation], lists: Iterable[str]) -> tuple[Effect, ...]:
    """Send each of these reads, which need no parameter, and look at the lists around it."""
    known = [path for path in dict.fromkeys(lists) if _listed(client, path) is not None][:_MOST_LISTS]
    found = []
    for operation in list(reads)[:_MOST_READS]:
        effect = _effect_of(client, operation, [path for path in known if path != operation.path])
        if effect is not None:
            found.append(effect)
    return tuple(found)


def _effect_of(client: RecordingClient, operation: Operation, lists: list[str]) -> Effect | None:
    changes: list[Effect] = []
    for _ in range(_TRIALS):
        change = _change_by(client, operation, lists)
        if change is None:
            return None
        if _listed(client, change.list_path) != change.after:
            continue
        if operation.acts:
            return change
        changes.append(change)
    return changes[0] if len(changes) == _TRIALS else None


def _change_by(client: RecordingClient, operation: Operation, lists: list[str]) -> Effect | None:
    """The first list that stood still before the read, and named other things after it."""
    still = {path: names for path, names in _look(client, lists).items() if names == _listed(client, path)}
    exchange = ask_once(client.exchange, operation.path) if still else None
    if exchange is None:
        return None
    now = _look(client, still)
    changed = next((path for path, names in still.items() if now.get(path, names) != names), None)
    if changed is None:
        return None
    return Effect(operation=operation, list_path=changed, before=still[changed], after=now[changed], exchange=exchange)


def _look(client: RecordingClient, paths: Iterable[str]) -> Mapping[str, Named]:
    seen = {path: _listed(client, path) for path in paths}
    return {path: names for path, names in seen.items() if names is not None}


def _listed(client: RecordingClient, path: str) -> Named | None:
    """Names of what a JSON answer lists; None if it lists nothing."""
    exchange = ask_once(client.exchange, path)
    if exchange is None or exchange.status >= 300 or exchange.size > len(exchange.body):
        return None
    try:
        content = exchange.json()
    except UnfitAnswer:
        return None
    arrays = [content] if isinstance(content, list) else _arrays(content)
    if not arrays:
        return None
    return tuple(sorted(_name(item) for array in arrays for item in array[:_MOST_NAMES]))


def _arrays(content: object) -> list[list[Any]]:
    return [each for each in content.values() if isinstance(each, list)] if isinstance(content, dict) else []


def _name(item: object) -> str:
    if isinstance(item, dict):
        return next((f"{key}={item[key]}" for key in _NAMES if key in item), "")
    return "" if isinstance(item, list) else str(item)
