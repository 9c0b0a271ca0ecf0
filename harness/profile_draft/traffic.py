"""What answers show of a cache, of a rate limit and of how clients are told apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from harness.model.network import is_loopback
from harness.probes.exchange import Exchange
from harness.profile_draft.limits import Announced, announced_limit
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import DraftReader, media_type_of

_CACHE_HEADERS = ("X-Cache", "CF-Cache-Status", "X-Cache-Status", "Cache-Status", "X-Proxy-Cache", "X-Varnish-Cache")
_CACHE_SIGNS = ("X-Varnish", "Age")
"""A cache in front, which does not say HIT."""
_LIMIT_EXAMPLE = ("[ratelimit]", "limit = 300", "window_s = 60", 'path = "/"')
_USUAL_RATE = 50.0

ClientAddress = Literal["none", "source", "x-forwarded-for"]


def find_cache(reader: DraftReader, paths: Sequence[str]) -> DraftTable:
    """Ask paths that answered once more, and believe what says HIT the second time."""
    answers = {path: answer for path in paths if (answer := reader.ask(path)) is not None}
    said = {path: _hit_header(reader, path, answer) for path, answer in answers.items()}
    header = next(filter(None, said.values()), None)
    hits = [path for path, name in said.items() if name is not None and name == header]
    if header is None:
        note = f"No answer said HIT{_sign_of_a_cache(answers.values())}. If answers are cached:"
        return DraftTable(table="cache", notes=(note,), example=("[cache]", 'paths = ["/"]', 'header = "X-Cache"'))
    why = f"the second answer said HIT in {header}, to a reader without account"
    keys = (DraftKey(name="paths", value=tuple(hits), why=why), DraftKey(name="header", value=header, why=why))
    note = "Settings that turn the cache off in a second instance go into `off`, once the harness starts the service."
    return DraftTable(table="cache", keys=keys, notes=(note,))


def _sign_of_a_cache(answers: Iterable[Exchange]) -> str:
    signs = {name for answer in answers for name in _CACHE_SIGNS if answer.header(name) is not None}
    return f" though {' and '.join(sorted(signs))} shows one in front" if signs else ""


def find_limit(reader: DraftReader, paths: Sequence[str]) -> tuple[DraftTable, Announced | None, str]:
    """The limit, as the first path announces it that announces any, and that path."""
    for path in paths:
        answer = reader.ask(path)
        found = announced_limit(answer) if answer is not None else None
        if found is None:
            continue
        window = found.likely_window_s or 60.0
        keys = (
            DraftKey(name="limit", value=found.limit, why=f"{found.header} in the answer to GET {path}"),
            DraftKey(name="window_s", value=window, why=_why_window(found)),
            DraftKey(
                name="path", value=path, why="the first path that announced it; it will get a burst above the limit"
            ),
        )
        return DraftTable(table="ratelimit", keys=keys), found, path
    note = "No answer announced a rate limit. If there is one:"
    return DraftTable(table="ratelimit", notes=(note,), example=_LIMIT_EXAMPLE), None, ""


def find_clients(reader: DraftReader, path: str) -> tuple[DraftTable, ClientAddress]:
    """How the limiter tells clients apart: does a new address have more left than we have?"""
    example = ("[clients]", 'address = "x-forwarded-for"')
    if not path:
        note = 'How clients are told apart was not seen; without this table all are one. Else "source", or:'
        return DraftTable(table="clients", notes=(note,), example=example), "none"
    own = _remaining(reader.again(path))
    ways: tuple[ClientAddress, ...] = ("x-forwarded-for", "source") if is_loopback(reader.url) else ("x-forwarded-for",)
    for way in ways:
        left = [_remaining(reader.as_stranger(way, path)) for _ in range(2)]
        if own is not None and all(one is not None and one > own for one in left) and left[0] == left[1]:
            why = f"two clients of new addresses, told by {way}, had {left[0]} requests left each, we had {own}"
            return DraftTable(table="clients", keys=(DraftKey(name="address", value=way, why=why),)), way
    note = 'A new X-Forwarded-For had no more requests left than we: all clients are one. Else "source", or:'
    return DraftTable(table="clients", notes=(note,), example=example), "none"


def load_parts(paths: Sequence[str], limit: Announced | None, clients: ClientAddress) -> tuple[DraftTable, ...]:
    """A scenario of the paths that answered, at a rate that the limit lets through."""
    example = ("[load.paths]", '"/" = 1')
    if not paths:
        return (
            DraftTable(
                table="load.paths", notes=("Nothing that could be loaded answered. If something can:",), example=example
            ),
        )
    why = "each answered 200 to a reader without account; weights say how often one is asked beside the others"
    weights = DraftTable(table="load.paths", keys=tuple(DraftKey(name=path, value=1, why=why) for path in paths))
    window = limit.likely_window_s if limit is not None else None
    if limit is None or window is None or clients != "none" or limit.limit / window / 2 >= _USUAL_RATE:
        return (weights,)
    half = max(0.1, round(limit.limit / window / 2, 1))
    slower = DraftKey(name="rate", value=half, why="half of what the rate limit lets one client do in a second")
    return (DraftTable(table="load", keys=(slower,)), weights)


def answering(reader: DraftReader, paths: Iterable[str], known: Collection[str], most: int) -> tuple[str, ...]:
    """Those of the first paths, known ones aside, that answer 200."""
    first = [path for path in dict.fromkeys(paths) if path not in known][:most]
    return tuple(path for path in first if media_type_of(reader.ask(path)))


def _hit_header(reader: DraftReader, path: str, first: Exchange) -> str | None:
    """The header in which the second answer says HIT; it is asked for only if the first speaks of a cache at all."""
    again = reader.again(path) if any(first.header(name) for name in _CACHE_HEADERS) else None
    return next((name for name in _CACHE_HEADERS if again is not None and _is_hit(again, name)), None)


def _is_hit(answer: Exchange, header: str) -> bool:
    return answer.status == 200 and "HIT" in (answer.header(header) or "").upper()


def _remaining(answer: Exchange | None) -> int | None:
    found = announced_limit(answer) if answer is not None else None
    return found.remaining if found is not None else None


def _why_window(found: Announced) -> str:
    if found.window_s is not None:
        return "the window that the same answer names"
    if found.likely_window_s is not None:
        return f"{found.reset_s:g} s were left of it, rounded up to a usual window"
    return "the answer names no window; 60 s are usual"
