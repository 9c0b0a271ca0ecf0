"""How MDN's HTTP Observatory reads and rates a content security policy: part of `observatory`'s published method.

It makes one policy of several: a source stays where every policy has it. What it calls invalid a browser may read;
docs/headers.md says where the harness's own checks decide otherwise, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from urllib.parse import unquote

from harness.probes.csp import NOT_IN_META

_SHORTEST = len("img-src") - 1
_MAY_REPEAT = frozenset({"report-uri", "report-to"})
_BROAD = frozenset({"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"})
_UNSAFE = _BROAD | {"'unsafe-inline'", "data:"}
_PASSIVE = ("img-src", "media-src")
_PROVEN = ("'sha256-", "'sha384-", "'sha512-", "'nonce-")
_PLAIN = ("http:", "ftp:")
_EVERYTHING = frozenset({"*"})
_Directives = Mapping[str, frozenset[str]]
"""Lower-case directive -> its sources."""
_NONE = frozenset({"'none'"})


class InvalidPolicy(ValueError):  # noqa: N818 - the method's own word for it
    """The method gives up on the policy."""


@dataclass(frozen=True, slots=True)
class _Source:
    text: str
    policy: int
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedPolicy:
    """One policy out of several."""

    directives: _Directives
    repeats_reporting: bool = False


def combined_policy(policies: Iterable[str]) -> CombinedPolicy:
    """Make one policy of several. Raises `InvalidPolicy` where the method gives up."""
    cleaned = ["".join(policy.splitlines()).strip() for policy in policies]
    if any(len(policy) < _SHORTEST for policy in cleaned):
        raise InvalidPolicy
    read = [_directives_of(policy) for policy in cleaned]
    repeats = any(len(directives) > len(dict(directives)) for directives in read)
    return CombinedPolicy(directives=_combined(read), repeats_reporting=repeats)


def _combined(policies: list[list[tuple[str, list[str]]]]) -> dict[str, frozenset[str]]:
    found: dict[str, list[_Source]] = {}
    for index, directives in enumerate(policies):
        for name, words in directives:
            merged = _merged(found.get(name, []) if index else [], name, words, index)
            found[name] = [replace(source, kept=index > 0 or len(policies) == 1) for source in merged]
    return {name: frozenset(one.text for one in sources) or _NONE for name, sources in found.items()}


def _directives_of(policy: str) -> list[tuple[str, list[str]]]:
    """Names and words of one policy. Raises `InvalidPolicy` where something stands twice that may not."""
    parts = (part.split() for part in policy.split(";"))
    found = [(words[0].lower(), words[1:]) for words in parts if words]
    once = [name for name, _ in found if name not in _MAY_REPEAT]
    if len(once) > len(set(once)):
        raise InvalidPolicy
    return found


def _merged(before: list[_Source], name: str, words: list[str], index: int) -> list[_Source]:
    """The sources of a directive after one policy more: those that are in this one and in an earlier one."""
    new = [_Source(word.lower(), index, index == 0) for word in words]
    if not words and name.endswith("-src"):
        new = [_Source("'none'", index, index == 0)]
    merged = sorted([*before, *new], key=lambda source: source.text)
    stays = [source.kept for source in merged[:1]] + [_stays(*pair) for pair in pairwise(merged)]
    return [replace(source, kept=True) for source, kept in zip(merged, stays, strict=True) if kept]


def _stays(earlier: _Source, later: _Source) -> bool:
    if earlier.policy == later.policy:
        return later.kept and not later.text.startswith(earlier.text)
    return later.kept or _leads_into(earlier.text, later.text)


def _leads_into(folder: str, path: str) -> bool:
    exact = not folder.endswith("/")
    ours, theirs = folder.split("/"), path.split("/")
    if len(ours) > len(theirs) or (exact and len(ours) != len(theirs)):
        return False
    if not exact:
        ours.pop()
    return all(unquote(one) == unquote(other) for one, other in zip(ours, theirs, strict=False))


def rate_policy(header: tuple[str, ...], metas: tuple[str, ...], *, report_only: bool, is_secure: bool) -> str:
    """The method's result for the policies of a header's lines and of `<meta>` elements."""
    ours = tuple(part.strip() for line in header for part in line.split(","))
    theirs = tuple(part.strip() for meta in metas for part in meta.split(","))
    try:
        policy = combined_policy((*ours, *theirs))
        if not (_counting(ours, frozenset()) or _counting(theirs, NOT_IN_META)):
            return f"csp-not-implemented{'-but-reporting-enabled' if report_only else ''}"
        return _rate(policy, is_secure=is_secure)
    except InvalidPolicy:
        return "csp-header-invalid"


def _counting(policies: tuple[str, ...], without: frozenset[str]) -> bool:
    try:
        return bool(combined_policy(policies).directives.keys() - without)
    except InvalidPolicy:
        return False


def _rate(policy: CombinedPolicy, *, is_secure: bool) -> str:
    directives = policy.directives
    scripts = _scripts(directives)
    styles = _without_inline(_in_force(directives, "style-src"))
    objects = _in_force(directives, "object-src")
    others = (sources for name, sources in directives.items() if name not in (*_PASSIVE, "script-src"))
    passive = frozenset().union(*(_in_force(directives, name, frozenset()) for name in _PASSIVE))
    results: tuple[tuple[str, object], ...] = (
        ("csp-implemented-with-unsafe-inline", scripts & _UNSAFE or objects & _BROAD),
        ("csp-implemented-with-insecure-scheme", is_secure and _is_plain(scripts.union(*others))),
        ("csp-implemented-with-unsafe-eval", "'unsafe-eval'" in scripts | styles),
        ("csp-implemented-but-duplicate-directives", policy.repeats_reporting),
        ("csp-implemented-with-insecure-scheme-in-passive-content-only", is_secure and _is_plain(passive)),
        ("csp-implemented-with-unsafe-inline-in-style-src-only", styles & _UNSAFE),
        ("csp-implemented-with-no-unsafe-default-src-none", directives.get("default-src") == _NONE),
    )
    return next((result for result, holds in results if holds), "csp-implemented-with-no-unsafe")


def _in_force(directives: _Directives, name: str, otherwise: frozenset[str] = _EVERYTHING) -> frozenset[str]:
    return directives.get(name, directives.get("default-src", otherwise))


def _scripts(directives: _Directives) -> frozenset[str]:
    """Whose scripts run. Raises `InvalidPolicy` where nothing proves what 'strict-dynamic' trusts."""
    scripts = _without_inline(_in_force(directives, "script-src"))
    if "'strict-dynamic'" not in scripts:
        return scripts
    if not _is_proven(scripts):
        raise InvalidPolicy
    return frozenset(one for one in scripts if one != "'self'" and not one.startswith(tuple(_BROAD)))


def _is_plain(sources: Iterable[str]) -> bool:
    return any(one.startswith(_PLAIN) for one in sources)


def _is_proven(sources: frozenset[str]) -> bool:
    return any(source.startswith(_PROVEN) for source in sources)


def _without_inline(sources: frozenset[str]) -> frozenset[str]:
    return sources - {"'unsafe-inline'"} if _is_proven(sources) else sources
