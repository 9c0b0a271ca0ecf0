"""What is refused by its own door and given by a second one: an export, a list, a link without its signature, a key
that was sent before, the refusal of a name that is taken.

Whose a thing is, is known by who made it: texts of our own that nobody else has sent.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import parse_qsl, urlencode, urlsplit

from harness.probes.api.inputs import MARK, leaves, plain_name
from harness.probes.api.pages import told_by
from harness.probes.api.request import NOBODY, ApiAccount, Hole, RequestDraft, json_of, succeeded, texts_of
from harness.probes.api.world import Described, World
from harness.probes.exchange import Exchange

_EXPORT = re.compile(r"export|download|dump|backup|archive|report|csv", re.IGNORECASE)
_SIGNATURE = re.compile(r"sig|signature|hmac|x-(?:amz|goog)-signature", re.IGNORECASE)
_KEY = re.compile(r"(?:x-)?(?:idempotency|request)-key", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LONG = 6
_MOST = 12


def given_elsewhere(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """What is the victim's alone, by another way than the thing's own path."""
    yield from _listed(world, victim, thief)
    yield from _signed(world, victim)
    yield from _kept_by_key(world, victim, thief)
    yield from _told_of_taken(world)


@dataclass(frozen=True, slots=True)
class _Closed:
    """A thing that its maker alone reads by its path, and the texts in it that the maker wrote."""

    collection: str
    name: str
    texts: frozenset[str]


def _listed(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """A list or an export that gives all of a thing which, by its path, is refused."""
    closed = list(islice(_closed(world, victim, thief), _MOST))
    for described in world.reads() if closed else ():
        draft = world.draft(described, thief)
        refused = world.answers.get((described.name, NOBODY.name))
        if draft.path or refused is None or succeeded(refused):
            continue
        path = described.operation.path
        due = [each for each in closed if path.startswith(each.collection) or _EXPORT.search(described.title)]
        seen = world.client.tried(thief, draft) if due else None
        found = next((each for each in due if succeeded(seen) and all(text in seen.text for text in each.texts)), None)
        if found is not None and seen is not None:
            text = min(found.texts)
            says = f"gave {thief.name} what is {victim.name}'s: the answer holds {text!r}, and {found.name} refuses it"
            yield Hole(operation=described.name, says=says, proof=(seen,))


def _closed(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[_Closed]:
    for described in world.reads():
        path = described.operation.path
        draft = world.worked(described, victim) if path.count("{") == 1 and path.endswith("}") else None
        own = world.client.tried(victim, draft) if draft is not None else None
        # who it belongs to need not be told everywhere
        written = _written(own) - {victim.username} if succeeded(own) else frozenset()
        refused = world.client.tried(thief, draft) if draft is not None and written else None
        if refused is not None and refused.status in (401, 403, 404):
            yield _Closed(path.partition("{")[0].rstrip("/"), described.name, written)


def _written(answer: Exchange) -> frozenset[str]:
    """Texts of an answer that we made: they begin with our mark, and are in no other answer by chance."""
    return frozenset(each for each in texts_of(answer, _LONG) if each.startswith(MARK))


def _signed(world: World, victim: ApiAccount) -> Iterator[Hole]:
    """Links whose signature lets in who has none, without it or with another one."""
    for described, _ in world.known_reads(victim):
        answer = world.answers.get((described.name, victim.name))
        links = (each for each in texts_of(answer) if each.startswith(("/", world.login.info.url)))
        for link in islice(filter(_signature_of, links), 1):
            if (hole := _unsigned(world, described, link)) is not None:
                yield hole
                return


def _signature_of(link: str) -> str:
    """The name of the parameter that is a link's signature; "" if it has none."""
    pairs = parse_qsl(urlsplit(link).query)
    return next((name for name, value in pairs if _SIGNATURE.fullmatch(name) and len(value) > 8), "")


def _unsigned(world: World, described: Described, link: str) -> Hole | None:
    parts, name = urlsplit(link), _signature_of(link)
    rest = [(key, value) for key, value in parse_qsl(parts.query) if key != name]
    given = world.client.heard(NOBODY, "GET", f"{parts.path}?{parts.query}")
    other = urlencode([*rest, (name, secrets.token_hex(16))])
    seen = world.client.heard(NOBODY, "GET", f"{parts.path}?{other}")
    # what shows nothing of ours may be for all, and its parameter no lock
    if not succeeded(given) or MARK not in given.text or not succeeded(seen) or seen.text != given.text:
        return None
    says = f"gives a link to {parts.path} that is signed, and with another {name!r} it is answered alike to anybody"
    return Hole(operation=described.name, parameter=f"query parameter {name}", says=says, proof=(seen,))


def _kept_by_key(world: World, victim: ApiAccount, thief: ApiAccount) -> Iterator[Hole]:
    """An answer that is kept by the key of a request, and given to another account that sends the same key."""
    for described in world.makers():
        name = next((each.name for each in described.inputs.parameters if _KEY.fullmatch(each.name)), "")
        draft = world.worked(described, victim) if name else None
        if draft is None:
            continue
        draft = replace(draft, headers={**draft.headers, name: secrets.token_hex(16)})
        own = world.client.tried(victim, _written_anew(draft))
        seen = world.client.tried(thief, _written_anew(draft))
        texts = _written(own) - {victim.username, thief.username} if succeeded(own) else frozenset()
        held = sorted(each for each in texts if succeeded(seen) and each in seen.text)
        if held and seen is not None:
            says = f"gave {thief.name} the answer to {victim.name}'s request with the same {name}: it holds {held[0]!r}"
            yield Hole(operation=described.name, parameter=f"header {name}", says=says, proof=(seen,))


def _written_anew(draft: RequestDraft) -> RequestDraft:
    """The same with other texts where it has texts of ours."""
    for place, value in list(draft.places()):
        if place.where == "body" and isinstance(value, str) and value.startswith(MARK):
            draft = draft.put(place, f"{MARK}{secrets.token_hex(6)}")
    return draft


def _told_of_taken(world: World) -> Iterator[Hole]:
    """A registration that is refused, since the name is taken, with what only who has the name was told."""
    path = world.target.auth.register.path
    if not path or not world.ours:
        return
    (_, body), (_, other) = world.login.new_account(), world.login.new_account()
    made, another = world.login.sign_up(body), world.login.sign_up(other)
    refused = world.login.sign_up(body)
    if not succeeded(made) or succeeded(refused) or refused.status >= 500:
        return
    known = {*body.values(), *texts_of(another)}
    own = {(plain_name(str(way[-1])), value) for way, value in leaves(told_by(made)) if way and value not in known}
    for way, value in leaves(json_of(refused)):
        name = plain_name(str(way[-1])) if way else ""
        if isinstance(value, str) and len(value) >= _LONG and (name, value) in own and not _DATE.match(value):
            says = f"refuses a name that is taken, and tells of who has it: {name!r} is {value!r}"
            yield Hole(operation=f"POST {path}", parameter=f"member {name}", says=says, proof=(refused,))
            return
