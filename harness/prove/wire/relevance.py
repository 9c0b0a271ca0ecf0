"""Which checks may speak of a facet: a drawn mutant counts as killed only by one of these.

A check that measures time fails by chance now and then; it must not make a changed header look guarded.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase

_TIMED = ("load.*", "cache.ratio", "cache.compared", "cache.noise", "ratelimit.window")
_OF_PREFIX = (
    ("latency", ("load.*", "api.*", "page.*", "health.*")),
    ("cache", ("cache.*", "api.*", "auth.*", "metrics.*", "page.*")),
    ("page", ("page.*", "input.*", "errors.*", "csp.*", "api.*", "auth.*", "csrf.*")),
    ("header set-cookie", ("cookies.*", "headers.*", "auth.*", "csrf.*", "page.*")),
    ("header access-control-", ("cors.*",)),
    ("header vary", ("cors.*", "cache.*")),
    ("header content-security-policy", ("csp.*", "headers.*", "errors.*", "page.*")),
)
"""The beginning of a facet, and the checks for it. Anything else is bound to every check that does not measure time."""


def is_bound(facet: str, check: str) -> bool:
    """May a failure of that check be the mutant's doing?"""
    for prefix, checks in _OF_PREFIX:
        if facet.startswith(prefix):
            return _any(check, checks)
    return not _any(check, _TIMED)


def _any(check: str, globs: Collection[str]) -> bool:
    return any(fnmatchcase(check, glob) for glob in globs)
