"""Mutants that change nothing a client could care about: they cannot be noticed, and count in no score.

Equivalent mutants are the known weakness of mutation scores (Offutt & Pan 1997). Each is recognised by a rule that
has its reason, applied to what the mutant really makes of an exchange; where none fits, it counts.
"""

from __future__ import annotations

import codecs

from harness.probes.headers import MediaType, parse_cache_control, parse_media_type
from harness.prove.model import Defect
from harness.prove.wire.facets import NOBODYS, Exchange
from harness.prove.wire.json_paths import Json
from harness.prove.wire.mutant import mutation_for
from harness.prove.wire.operators.json_body import json_of
from harness.proxy.exchange import ProxiedAnswer, ProxiedRequest

_READS = ("GET", "HEAD")
_CONTENT = "content-type"
_POLICY = "content-security-policy"
_CACHES_ONLY = frozenset({"age", "vary"})
_SUPERSEDED = frozenset({"expires", "pragma"})
_UNREAD = frozenset({"x-xss-protection", "x-ua-compatible", "p3p"})


def equivalent(defect: Defect, exchange: Exchange, seed: int) -> str:
    """Why no client could tell the mutated exchange from the true one; "" where it could, or where nothing changes."""
    request, before = exchange
    after = mutation_for(defect, seed).answer(request, before)
    if after is None or _form(after) != _form(before):
        return ""
    if before.body != after.body:
        return _in_body(before, after)
    return _in_headers(request, before, after)


def _form(answer: ProxiedAnswer) -> tuple[object, ...]:
    return answer.status, answer.cut_after, answer.ends, answer.interim, answer.version, answer.behind


def _in_body(before: ProxiedAnswer, after: ProxiedAnswer) -> str:
    old, new = json_of(before), json_of(after)
    if before.headers == after.headers and old and new and _comparable(old[0]) == _comparable(new[0]):
        return "the members of a JSON object have no order (RFC 8259, 4)"
    return ""


def _in_headers(request: ProxiedRequest, before: ProxiedAnswer, after: ProxiedAnswer) -> str:
    changed = {name.lower() for name, _ in {*before.headers} ^ {*after.headers}}
    if _lower(before) == _lower(after):
        return "headers' names have no case, and different headers no order (RFC 9110, 5.1 and 5.3)"
    if changed <= NOBODYS:
        return f"no client acts on {', '.join(sorted(changed))}"
    if changed <= _UNREAD:
        return f"no browser reads {', '.join(sorted(changed))} any more"
    if changed <= _SUPERSEDED and before.header("Cache-Control") is not None:
        return "Cache-Control counts in its place (RFC 9111, 5.3)"
    if changed == {_POLICY}:
        return _of_policy(before, after)
    if changed <= _CACHES_ONLY:
        return _for_caches(request, before)
    return _of_content(request, before, after) if changed == {_CONTENT} else ""


def _of_policy(before: ProxiedAnswer, after: ProxiedAnswer) -> str:
    """What a policy says of scripts and the like counts in documents; who may frame counts everywhere."""
    if after.header(_POLICY) is None or json_of(before) is None:
        return ""
    framing = [[part for part in _directives(one) if part.startswith("frame-ancestors")] for one in (before, after)]
    return "" if framing[0] != framing[1] else "nothing is loaded or run in JSON (CSP3, 4.2)"


def _directives(answer: ProxiedAnswer) -> list[str]:
    lines = (value for name, value in answer.headers if name.lower() == _POLICY)
    return [part.strip().lower() for line in lines for part in line.split(";")]


def _for_caches(request: ProxiedRequest, answer: ProxiedAnswer) -> str:
    if request.method not in _READS:
        return f"caches keep no answer to {request.method} that says so little (RFC 9110, 9.2.3)"
    lines = (value for name, value in answer.headers if name.lower() == "cache-control")
    return "no cache may keep the answer (RFC 9111, 5.2.2.5)" if "no-store" in parse_cache_control(lines) else ""


def _of_content(request: ProxiedRequest, before: ProxiedAnswer, after: ProxiedAnswer) -> str:
    if not before.body or request.method == "HEAD":
        return "there is no body to describe"
    old, new = parse_media_type(before.header(_CONTENT)), parse_media_type(after.header(_CONTENT))
    if old is None or new is None or old.essence != new.essence:
        return ""
    if old.is_json:
        return "JSON has no charset parameter; one has no effect (RFC 8259, 11)"
    return "another name of the same charset" if _charset(old) == _charset(new) else ""


def _charset(kind: MediaType) -> str:
    name = kind.parameters.get("charset", "")
    try:
        return codecs.lookup(name).name if name else ""
    except LookupError:
        return name.lower()


def _lower(answer: ProxiedAnswer) -> dict[str, list[str]]:
    """Values by name: the order of one header's lines counts, that of different headers does not."""
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def _comparable(value: Json) -> object:
    """Equal where the JSON is: numbers by value, and true is not 1."""
    if isinstance(value, bool):
        return bool, value
    if isinstance(value, dict):
        return {name: _comparable(member) for name, member in value.items()}
    return [*map(_comparable, value)] if isinstance(value, list) else value
