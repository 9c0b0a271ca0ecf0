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


class InvalidPolicy(ValueError):  # noqa: N818 - the method's own word for it
    """The method gives up on the policy."""


@dataclass(frozen=True, slots=True)
class _Source:
    text: str
    policy: int
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedPolicy:
    """One policy out of several: lower-case directive -> sources."""

    directives: Mapping[str, frozenset[str]]
    repeats_reporting: bool = False


def combined_policy(policies: Iterable[str]) -> CombinedPolicy:
    """Make one policy of several. Raises `InvalidPolicy` where the method gives up."""
    cleaned = ["".join(policy.splitlines()).strip() for policy in policies]
    if any(len(policy) < _SHORTEST for policy in cleaned):
        raise InvalidPolicy
    found: dict[str, list[_Source]] = {}
    repeats = False
    for index, policy in enumerate(cleaned):
        seen: set[str] = set()
        for words in (part.split() for part in policy.split(";")):
            if not words:
                continue
            name = words[0].lower()
            if name in seen and name not in _MAY_REPEAT:
                raise InvalidPolicy
            repeats = repeats or name in seen
            seen.add(name)
            found[name] = _merged(found.get(name, []) if index else [], name, words[1:], index)
            if index == 0 and len(cleaned) > 1:
                found[name] = [replace(source, kept=False) for source in found[name]]
    directives = {name: frozenset(one.text for one in sources) or {"'none'"} for name, sources in found.items()}
    return CombinedPolicy(
        directives={name: frozenset(sources) for name, sources in directives.items()}, repeats_reporting=repeats
    )


def _merged(before: list[_Source], name: str, words: list[str], index: int) -> list[_Source]:
    """The sources of a directive after one policy more: those that are in this one and in an earlier one."""
    new = [_Source(word.lower(), index, index == 0) for word in words]
    if not words and name.endswith("-src"):
        new = [_Source("'none'", index, index == 0)]
    merged = sorted([*before, *new], key=lambda source: source.text)
    kept = [source.kept for source in merged]
    for place, (earlier, later) in enumerate(pairwise(merged), start=1):
        if earlier.policy == later.policy and later.text.startswith(earlier.text):
            kept[place] = False
        if earlier.policy != later.policy and _leads_into(earlier.text, later.text):
            kept[place] = True
    return [replace(source, kept=True) for source, stays in zip(merged, kept, strict=True) if stays]


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
    except InvalidPolicy:
        return "csp-header-invalid"
    if not (_counting(ours, frozenset()) or _counting(theirs, NOT_IN_META)):
        return f"csp-not-implemented{'-but-reporting-enabled' if report_only else ''}"
    return _rate(policy, is_secure=is_secure)


def _counting(policies: tuple[str, ...], without: frozenset[str]) -> bool:
    try:
        return bool(combined_policy(policies).directives.keys() - without)
    except InvalidPolicy:
        return False


def _rate(policy: CombinedPolicy, *, is_secure: bool) -> str:
    directives = policy.directives
    scripts, styles, objects = (
        directives.get(name, directives.get("default-src", _EVERYTHING))
        for name in ("script-src", "style-src", "object-src")
    )
    scripts, styles = _without_inline(scripts), _without_inline(styles)
    if "'strict-dynamic'" in scripts:
        if not _is_proven(scripts):
            return "csp-header-invalid"
        scripts = frozenset(
            one for one in scripts if one != "'self'" and not any(one.startswith(broad) for broad in _BROAD)
        )
    active = {one for name, sources in directives.items() if name not in (*_PASSIVE, "script-src") for one in sources}
    passive = {one for name in _PASSIVE for one in directives.get(name, directives.get("default-src", frozenset()))}
    result = "csp-implemented-with-no-unsafe"
    if scripts & _UNSAFE or objects & _BROAD:
        return "csp-implemented-with-unsafe-inline"
    if is_secure and any(one.startswith(_PLAIN) for one in (*active, *scripts)):
        return "csp-implemented-with-insecure-scheme"
    if "'unsafe-eval'" in scripts | styles:
        return "csp-implemented-with-unsafe-eval"
    if is_secure and any(one.startswith(_PLAIN) for one in passive):
        result = "csp-implemented-with-insecure-scheme-in-passive-content-only"
    elif styles & _UNSAFE:
        result = "csp-implemented-with-unsafe-inline-in-style-src-only"
    elif directives.get("default-src") == frozenset({"'none'"}):
        result = "csp-implemented-with-no-unsafe-default-src-none"
    return "csp-implemented-but-duplicate-directives" if policy.repeats_reporting else result


def _is_proven(sources: frozenset[str]) -> bool:
    return any(source.startswith(_PROVEN) for source in sources)


def _without_inline(sources: frozenset[str]) -> frozenset[str]:
    return sources - {"'unsafe-inline'"} if _is_proven(sources) else sources
