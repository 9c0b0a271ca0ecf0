"""A Content-Security-Policy as a browser applies it (W3C Content Security Policy Level 3).

Several policies may come with one answer, in several headers or split by commas; a browser enforces all of them, so
something is allowed only if every policy allows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

FALLBACKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "script-src-elem": ("script-src", "default-src"),
        "script-src-attr": ("script-src", "default-src"),
        "style-src-elem": ("style-src", "default-src"),
        "style-src-attr": ("style-src", "default-src"),
        "worker-src": ("child-src", "script-src", "default-src"),
        "frame-src": ("child-src", "default-src"),
        "fenced-frame-src": ("frame-src", "child-src", "default-src"),
        **dict.fromkeys(
            (
                *("child-src", "connect-src", "font-src", "img-src", "manifest-src", "media-src", "object-src"),
                *("script-src", "style-src"),
            ),
            ("default-src",),
        ),
    }
)
"""Fetch directives and what governs in their place, nearest first (CSP3 6.8.3). All others have no fallback."""

_OTHERS = (
    "default-src base-uri form-action frame-ancestors report-to report-uri require-trusted-types-for sandbox "
    "trusted-types upgrade-insecure-requests webrtc"
)
_FORMER = (
    "block-all-mixed-content disown-opener navigate-to plugin-types prefetch-src referrer reflected-xss require-sri-for"
)
DEPRECATED = frozenset(_FORMER.split())
"""Directives of former drafts: known words, which some browsers still read and others ignore."""
KNOWN = frozenset(FALLBACKS) | frozenset(_OTHERS.split())
"""Directives that browsers know; an unknown one (a typing mistake, often) protects nothing."""
NOT_IN_META = frozenset({"frame-ancestors", "report-uri", "sandbox"})
"""Directives that count in a header alone (HTML 4.2.5.3)."""

NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_-]+={0,2})'", re.IGNORECASE)
HASH = re.compile(r"'sha(256|384|512)-[A-Za-z0-9+/_-]+={0,2}'", re.IGNORECASE)
_ANY_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?\*(?::(?:\d+|\*))?(?:/.*)?", re.IGNORECASE)
_ANY_SCHEME = frozenset({"data:", "ftp:", "http:", "https:", "ws:", "wss:"})
"""Schemes by which whoever wrote the address chooses the content; of `blob:` a script of the page does."""
_SCRIPTS = frozenset({"script-src", "script-src-elem", "script-src-attr", "worker-src"})


@dataclass(frozen=True, slots=True)
class ContentSecurityPolicy:
    """One policy: lower-case directive -> its sources as written."""

    directives: Mapping[str, tuple[str, ...]]
    repeated: tuple[str, ...] = ()
    """Directives that stand there again; a browser ignores the later ones (CSP3 2.2.1)."""
    unheard: tuple[str, ...] = ()
    """Directives of a `<meta>` that count in a header alone."""
    unread: tuple[str, ...] = ()
    """Directives with characters outside ASCII, all of which a browser ignores (CSP3 2.2.1)."""

    def _is_boxed(self, directive: str) -> bool:
        """Is all of that kind kept off by the sandbox that the document is put into? (HTML 7.1.5)"""
        if "sandbox" not in self.directives:
            return False
        allowed = {word.lower() for word in self.directives["sandbox"]}
        return (
            directive == "object-src"
            or (directive == "form-action" and "allow-forms" not in allowed)
            or (directive in _SCRIPTS and "allow-scripts" not in allowed)
        )

    def governing(self, directive: str) -> str | None:
        """The directive that decides on `directive`: itself or its nearest fallback; None if nothing does."""
        names = (directive, *FALLBACKS.get(directive, ()))
        if self._is_boxed(directive):
            return "sandbox"
        return next((name for name in names if name in self.directives), None)

    def sources(self, directive: str) -> tuple[str, ...] | None:
        """The source list in force; None if the policy says nothing, which allows everything."""
        governing = self.governing(directive)
        if governing == "sandbox":
            return ("'none'",)
        return None if governing is None else self.directives[governing]

    def allows_inline(self, directive: str) -> bool:
        """Does all inline behaviour of that kind run? (CSP3 6.7.3.2: a nonce or a hash switches 'unsafe-inline' off,
        for scripts 'strict-dynamic' too.)"""
        sources = self.sources(directive)
        if sources is None:
            return True
        if any(NONCE.fullmatch(source) or HASH.fullmatch(source) for source in sources):
            return False
        lowered = {source.lower() for source in sources}
        if directive in _SCRIPTS and "'strict-dynamic'" in lowered:
            return False
        return "'unsafe-inline'" in lowered

    def allows_eval(self) -> bool:
        """May a script turn text into code? (CSP3 4.4; governed by script-src.)"""
        sources = self.sources("script-src")
        return sources is None or "'unsafe-eval'" in {source.lower() for source in sources}

    def wide_sources(self, directive: str) -> tuple[str, ...]:
        """Sources in force that let in anybody: `*`, `https://*`, a bare scheme such as `https:` or `data:`.

        Where nothing governs the directive the answer is ("*",). For scripts 'strict-dynamic' makes browsers ignore
        hosts and schemes (CSP3 8.2), so there is none then.
        """
        sources = self.sources(directive)
        if sources is None:
            return ("*",)
        if directive in _SCRIPTS and "'strict-dynamic'" in {source.lower() for source in sources}:
            return ()
        return tuple(source for source in sources if source.lower() in _ANY_SCHEME or _ANY_HOST.fullmatch(source))

    def forbids(self, directive: str) -> bool:
        """Is nothing at all allowed: an empty list or 'none' alone?"""
        sources = self.sources(directive)
        return sources is not None and tuple(source.lower() for source in sources) in ((), ("'none'",))


@dataclass(frozen=True, slots=True)
class Csp:
    """All policies of one answer, enforced together; without any everything is allowed."""

    policies: tuple[ContentSecurityPolicy, ...] = ()

    def names(self, directive: str) -> bool:
        """Does any policy hold that directive itself?"""
        return any(directive in policy.directives for policy in self.policies)

    def governs(self, directive: str) -> bool:
        """Does any policy decide on it, by itself or by fallback?"""
        return any(policy.governing(directive) for policy in self.policies)

    def sources(self, directive: str) -> tuple[tuple[str, ...], ...]:
        """The source lists in force, one for each policy that says something."""
        lists = (policy.sources(directive) for policy in self.policies)
        return tuple(sources for sources in lists if sources is not None)

    def has_unsafe_inline(self, directive: str = "script-src") -> bool:
        """Does inline code of that kind run under every policy?"""
        return all(policy.allows_inline(directive) for policy in self.policies)

    def allows_eval(self) -> bool:
        """May text become code under every policy?"""
        return all(policy.allows_eval() for policy in self.policies)

    def wide_sources(self, directive: str) -> tuple[str, ...]:
        """Sources that let in any host, of the policy with the fewest of them; ("*",) without any policy."""
        return min((policy.wide_sources(directive) for policy in self.policies), key=len, default=("*",))

    def forbids(self, directive: str) -> bool:
        """Does at least one policy forbid it wholly?"""
        return any(policy.forbids(directive) for policy in self.policies)

    def nonces(self) -> frozenset[str]:
        """The nonces with which scripts and styles of this answer run."""
        words = (word for policy in self.policies for sources in policy.directives.values() for word in sources)
        return frozenset(found[1] for word in words if (found := NONCE.fullmatch(word)))


def parse_csp(lines: Iterable[str], metas: Iterable[str] = ()) -> Csp:
    """The policies of all Content-Security-Policy lines of one answer (CSP3 2.2.2), and of `<meta>` elements."""
    heard = [_parse_policy(part) for line in lines for part in line.split(",")]
    heard += [_as_meta(_parse_policy(part)) for meta in metas for part in meta.split(",")]
    return Csp(policies=tuple(policy for policy in heard if policy.directives or policy.unheard or policy.unread))


def _as_meta(policy: ContentSecurityPolicy) -> ContentSecurityPolicy:
    counting = {name: sources for name, sources in policy.directives.items() if name not in NOT_IN_META}
    unheard = tuple(name for name in policy.directives if name in NOT_IN_META)
    return replace(policy, directives=MappingProxyType(counting), unheard=unheard)


def _parse_policy(serialized: str) -> ContentSecurityPolicy:
    directives: dict[str, tuple[str, ...]] = {}
    repeated: list[str] = []
    unread: list[str] = []
    for part in serialized.split(";"):
        words = part.split()
        if not words:
            continue
        name = words[0].lower()
        if not part.isascii():
            unread.append(name)
        elif name in directives:
            repeated.append(name)
        else:
            directives[name] = tuple(words[1:])
    return ContentSecurityPolicy(MappingProxyType(directives), repeated=tuple(repeated), unread=tuple(unread))
