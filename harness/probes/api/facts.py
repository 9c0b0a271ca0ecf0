"""What answers gave: values by name, who was given them, and which of them fits a name that an operation asks for.

An id, slug, name or key of one answer fills the parameter of that name in the next request (producer and consumer).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.probes.api.inputs import leaves, plain_name
from harness.probes.openapi_operation import names_in_path

_IDS = ("id", "uuid", "guid", "pk", "key", "slug", "number", "code", "ref", "reference", "name", "title", "username")
_TELLING = ("username", "slug", "uuid", "guid")
"""Those of them that mean the same wherever they stand."""
_ID_ENDING = re.compile(r"(?:id|uuid|guid|slug|key|ref|number|code|name|title)$")
_PARTS = frozenset({"", "item", "data", "result", "content", "row", "record", "entry", "member", "value"})
"""What a listing calls its own things, singular: they are what its path is about."""
_LONG = 6
"""A shorter text is not known again with certainty."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that an answer held, under which name, on which path, and for whom."""

    name: str
    value: str | int
    operation: str
    resource: str
    account: str
    is_new: bool
    """It came as the answer to a write."""

    def is_like(self, other: Fact) -> bool:
        """Is it the same member of such a thing?"""
        return (self.name, self.resource) == (other.name, other.resource)


@dataclass
class Facts:
    """All that was learned so far."""

    kept: list[Fact] = field(default_factory=list)
    texts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Account -> all texts that it was shown."""

    def learn(self, account: str, operation: str, path: str, body: Any, *, is_new: bool = False) -> None:  # noqa: ANN401
        """Remember what an answer holds."""
        resource = _resource(path)
        for way, value in leaves(body):
            if isinstance(value, bool) or not isinstance(value, str | int):
                continue
            if isinstance(value, str):
                self.texts[account].add(value)
            if 0 < len(str(value)) <= 200:
                name, owner = _named(way, resource)
                self.kept.append(Fact(name, value, operation, owner, account, is_new))

    def candidates(self, name: str, path: str, account: str) -> Iterator[Fact]:
        """What that account was given that may stand for a name, the best and newest first."""
        for resource, member in _ways_to(name, path):
            for fact in reversed(self.kept):
                if fact.account == account and fact.name == member and resource in ("", fact.resource):
                    yield fact

    def made_first(self, name: str, path: str, account: str) -> list[Fact]:
        """The same, but first of what the account made itself, and before all of what a path's collection made."""
        maker = f"POST {path.partition(f'/{{{name}}}')[0]}"
        found = self.candidates(name, path, account)
        return sorted(found, key=lambda each: (each.operation != maker, not each.is_new))

    def has_seen(self, account: str, fact: Fact) -> bool:
        """Was an account given the same value of the same kind of thing?"""
        return any(
            each.account == account and each.name == fact.name and each.value == fact.value
            for each in self.kept
            if each.resource == fact.resource
        )

    def only_of(self, account: str, others: Iterable[str]) -> frozenset[str]:
        """Texts that one account was shown and none of the others, long enough to be known again."""
        seen = set().union(*(self.texts[other] for other in others))
        return frozenset(
            each for each in self.texts[account] - seen if len(each) >= _LONG and not any(each in text for text in seen)
        )


def _ways_to(name: str, path: str = "") -> tuple[tuple[str, str], ...]:
    """Pairs of resource and member that a name may mean, the best first; "" stands for any resource."""
    plain, resource = plain_name(name), _before(path, name)
    if plain.endswith("ids") or plain in ("keys", "slugs", "codes"):
        plain = plain[:-1]
    own = [(resource, plain)] if resource else []
    is_bare = plain in _IDS or not _ID_ENDING.sub("", plain)
    others = _ways_to_bare(plain, resource, path) if is_bare else _ways_to_named(plain, resource)
    return tuple(dict.fromkeys([*own, *others]))


def _ways_to_bare(plain: str, resource: str, path: str) -> list[tuple[str, str]]:
    """An `id` or a `slug` is of what stands before it; that of a body, of what any word of the path is about."""
    telling = [("", plain)] if plain in _TELLING else []
    if resource:
        return [*((resource, each) for each in _IDS), *telling]
    return [*telling, *((singular(each), plain) for each in reversed(path.split("/")) if each and "{" not in each)]


def _ways_to_named(plain: str, resource: str) -> list[tuple[str, str]]:
    """An `order_id` is the `id` of an order; an `order` may be that too."""
    stem = _ID_ENDING.sub("", plain)
    if ending := plain[len(stem) :]:
        return [("", plain), *((singular(stem), each) for each in (ending, "id", "uuid"))]
    if resource and singular(plain) == resource:
        return [("", plain), *((resource, each) for each in _IDS)]
    return [("", plain), (singular(plain), "id")]


def _named(way: tuple[str | int, ...], resource: str) -> tuple[str, str]:
    """By what name a value at that place is known, and of what thing: an id inside of an object is that object's."""
    names = [each for each in way if isinstance(each, str)]
    name = plain_name(names[-1] if names else resource)
    inner = singular(names[-2]) if len(names) > 1 else ""
    return name, inner if inner not in _PARTS and name in _IDS else resource


def singular(word: str) -> str:
    """A word without the ending of its plural, compared as names are."""
    plain = plain_name(word)
    if plain.endswith("ies") and len(plain) > 4:
        return f"{plain[:-3]}y"
    if plain.endswith(("sses", "xes", "ches", "shes")):
        return plain[:-2]
    return plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain


def _resource(path: str) -> str:
    """What a path is about: its last word that is no parameter and no version."""
    words = [part for part in path.split("?", maxsplit=1)[0].split("/") if part and "{" not in part]
    named = [part for part in words if not re.fullmatch(r"v\d+|api|\d+|[0-9a-f-]{32,36}", part)]
    return singular(named[-1]) if named else ""


def _before(path: str, name: str) -> str:
    """The word of a path that stands before a parameter."""
    if name not in names_in_path(path):
        return ""
    return _resource(path.partition(f"{{{name}}}")[0])
