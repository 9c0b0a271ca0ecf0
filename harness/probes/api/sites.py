"""Where a value of ours gets into the service: every place of every request that works and takes free text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from harness.probes.api.inputs import MARK, Sampler, is_number
from harness.probes.api.pages import tokens_in
from harness.probes.api.request import NOBODY, ApiAccount, Hole, Place, RequestDraft, succeeded
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange
from harness.probes.openapi import Operation

_REFUSED = (400, 401, 403, 405, 415, 422)
_MOST_SITES = 250
_COUNTED = re.compile(r"\"\w*(?:id|Id|ID|number|count|key|pk)\":\s*\d+")
"""What each write counts up."""
_KEY = "free text"
_MASKED = re.compile(
    r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|[\w+/=-]{24,}(?:\.[\w-]+)*"
)
"""Times, UUIDs and tokens: they differ from answer to answer."""
Shape = tuple[int, str]
"""Status and text of an answer, without what differs each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPlace:
    """A place of a request that works, who sends it, and the value that stands there."""

    operation: Operation
    place: Place
    draft: RequestDraft
    account: ApiAccount
    value: Any
    is_login: bool = False

    def put(self, value: Any) -> RequestDraft:  # noqa: ANN401 - JSON is anything
        """The request with another value."""
        return self.draft.put(self.place, value)

    @property
    def text(self) -> str:
        """The value as text."""
        return str(self.value)

    def hole(self, says: str, *proof: Exchange) -> Hole:
        """What is open here."""
        return Hole(operation=self.operation.name, parameter=str(self.place), says=says, proof=proof)


def sites(world: World) -> tuple[TextPlace, ...]:
    """The places that take free text: a value with two quotes in it is not refused where a plain one is not."""
    return _sorted_out(world)[0]


def matched_sites(world: World) -> tuple[TextPlace, ...]:
    """The places that take some texts, and none with quotes: something is matched there."""
    return _sorted_out(world)[1]


def texts(places: Iterable[TextPlace]) -> Iterator[TextPlace]:
    """Those of them that hold a text, and no number."""
    yield from (each for each in places if isinstance(each.value, str))


def _sorted_out(world: World) -> tuple[tuple[TextPlace, ...], ...]:
    if _KEY not in world.places:
        free: list[TextPlace] = []
        matched: list[TextPlace] = []
        for each in _all_sites(world):
            (free if _is_free(world, each) else matched).append(each)
        world.places[_KEY] = (tuple(free[:_MOST_SITES]), tuple(matched[:_MOST_SITES]))
    return world.places[_KEY]


def _all_sites(world: World) -> Iterator[TextPlace]:
    yield from _login_sites(world)
    account = world.asker
    for described in filter(_may_be_repeated, world.operations):
        sender, draft = _sender(world, described, account)
        if draft is None:
            continue
        own = tokens_in(world.hidden.get((described.name, sender.name), {}))
        for place, value in _places(described, draft):
            is_ours = place.name not in own and place.name.lower() != "password"
            if is_ours and (isinstance(value, str) or is_number(value)):
                yield TextPlace(
                    operation=described.operation,
                    place=place,
                    draft=draft.put(place, value),
                    account=sender,
                    value=value,
                )


def _may_be_repeated(described: Described) -> bool:
    """Of what deals with accounts that is only what changes none: a forgotten password's form."""
    operation = described.operation
    if operation.method not in ("GET", "POST", "PUT", "PATCH", "QUERY") or described.is_disruptive:
        return False
    is_safe = re.search(r"forgot|recover|check|valid", operation.path, re.IGNORECASE) is not None
    return operation.method == "GET" or not described.is_of_accounts or is_safe


def _sender(world: World, described: Described, account: ApiAccount) -> tuple[ApiAccount, RequestDraft | None]:
    """Who the operation works for, the one with the fewest rights first, and the request; else what may come near."""
    ordered = (account, *[each for each in world.accounts if each is not account], NOBODY)
    for each in ordered:
        draft = world.drafts.get((described.name, each.name))
        if draft is not None:
            return each, world.draft(described, each) if described.operation.method != "GET" else draft
    answer = world.answers.get((described.name, account.name))
    if answer is not None and answer.status in (300, 301, 302, 303, 307, 308, 400, 404, 409, 422, 500):
        return account, world.draft(described, account)
    return account, None


def _places(described: Described, draft: RequestDraft) -> Iterator[tuple[Place, Any]]:
    """Places of the draft, and those of parameters that it leaves out."""
    there = dict(draft.places())
    yield from there.items()
    for each in described.inputs.parameters:
        place = Place(each.where, (each.name,))
        if place not in there and each.where in ("query", "header", "cookie"):
            yield place, each.example or Sampler(lambda _: None).of(each.schema, each.name)


def _login_sites(world: World) -> Iterator[TextPlace]:
    path = world.target.auth.login
    account = world.asker
    if not path or not account.username:
        return
    operation = Operation(
        method="POST",
        path=path,
        written=path,
        operation_id="",
        required=(),
        needs_login=False,
        has_body=True,
        statuses=(),
    )
    body = world.login.words(f"{MARK}nobody", "Hx-wrong-1a!")
    sent = world.login.attempt("", "", body)
    kind = sent.sent_header("Content-Type") or "application/json"
    draft = RequestDraft(operation=operation, body=body, media_type=kind.partition(";")[0])
    for name, value in body.items():
        place = Place("body", (name,))
        yield TextPlace(operation=operation, place=place, draft=draft, account=NOBODY, value=value, is_login=True)


def _is_free(world: World, site: TextPlace) -> bool:
    plain = world.client.tried(site.account, site.draft)
    if plain is None:
        return False
    is_number = not isinstance(site.value, str)
    tickled = world.client.tried(site.account, site.put(f"{site.text} AND 1=1" if is_number else f"{site.text}''"))
    if tickled is None:
        return True
    return not (tickled.status in _REFUSED and tickled.status != plain.status)


def answer_of(world: World, site: TextPlace, value: Any) -> Shape | None:  # noqa: ANN401
    """What a value is answered with, without what differs each time: the value itself, times, tokens."""
    answer = world.client.tried(site.account, site.put(value))
    return None if answer is None else shape(answer, str(value), site)


def shape(answer: Exchange, sent: str, site: TextPlace) -> Shape:
    """See `answer_of`."""
    text = answer.text
    for form in forms(sent):
        text = text.replace(form, "§")
    if len(site.text) > 3:
        text = text.replace(site.text, "§")
    text = _MASKED.sub("§", text)
    if site.operation.method != "GET" and succeeded(answer):
        text = _COUNTED.sub("§", text)
    return answer.status, text


def forms(text: str) -> tuple[str, ...]:
    """A text as an answer may show it: as it is, escaped for JSON, HTML or a URL."""
    escaped = json.dumps(text)[1:-1]
    found = (
        text,
        escaped,
        html.escape(text),
        html.escape(text, quote=False),
        quote(text),
        quote_plus(text),
        quote(text, safe=""),
    )
    return tuple(sorted({each for each in found if each}, key=len, reverse=True))
