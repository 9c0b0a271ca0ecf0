"""What an attacker can do under a content security policy, and what of it browsers do not understand.

The questions are those of google/csp-evaluator. Where it advises ("could you…"), nothing is said here: a flaw is what
lets something through, or does not do what whoever wrote it meant. Of several policies a hole must be in every one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.probes.csp import DEPRECATED, HASH, KNOWN, NONCE, ContentSecurityPolicy, Csp

HoleKind = Literal["inline", "eval", "anybody", "moved base", "known host", "plain http", "short nonce"]
MistakeKind = Literal["unknown directive", "no semicolon", "no keyword", "ignored", "nothing runs"]

_LISTS = (KNOWN | DEPRECATED) - {"plugin-types", "referrer", "reflected-xss", "report-to", "report-uri", "sandbox"}
"""Directives whose words are sources or keywords."""
_TYPES = frozenset({"require-trusted-types-for", "trusted-types", "require-sri-for", "webrtc"})
"""Directives whose words are no sources."""
_WORDS = (
    "self none unsafe-inline unsafe-eval unsafe-hashes strict-dynamic report-sample wasm-unsafe-eval wasm-eval "
    "trusted-types-eval report-sha256 report-sha384 report-sha512 unsafe-allow-redirects unsafe-hashed-attributes "
    "inline-speculation-rules block allow"
)
_KEYWORDS = frozenset(f"'{word}'" for word in _WORDS.split())
"""CSP3 2.3.1, and words of its drafts that some browsers read."""
_BARE = frozenset(_WORDS.split()) - {"block", "allow"}
_BARE_NONCE = re.compile(r"(nonce|sha(256|384|512))-.+", re.IGNORECASE)
_SOURCE = re.compile(
    r"[a-z][a-z0-9+.-]*:|(?:[a-z][a-z0-9+.-]*://)?(?!https?(?:[/:]|$))"
    r"(?:\*|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])"
    r"(?::(?:[0-9]+|\*))?(?:/.*)?",
    re.IGNORECASE,
)
"""A scheme or a host (CSP3 2.3.1), and an IPv6 address, which browsers take as one; no host is called `https`."""
_QUOTES = re.compile("['\"`]")
_MAY_REPEAT = frozenset({"report-uri", "report-to"})
_SHORT_NONCE = 8
_PLAIN = ("http://", "ftp://")


@dataclass(frozen=True, slots=True, kw_only=True)
class CspHole:
    """A way through a policy. `directive` is the one in force for `element`; "" where none is."""

    kind: HoleKind
    element: str
    directive: str = ""
    source: str = ""

    @property
    def family(self) -> str:
        """The directive for all elements of that kind."""
        return self.element.removesuffix("-elem").removesuffix("-attr")

    @property
    def text(self) -> str:
        """The hole in a clause."""
        if not self.directive:
            moved = ", so a <base> leads scripts with a nonce to another host" if self.kind == "moved base" else ""
            return f"nothing governs {self.family}{moved}"
        written = f"{self.directive} has {self.source}"
        match self.kind:
            case "inline":
                return f"{written}, so inline code in {_ELEMENTS.get(self.element, self.element)} runs"
            case "eval":
                return f"{written}, so text becomes code"
            case "anybody" | "moved base":
                return f"{written}, so whatever anybody serves is let in"
            case "known host":
                return f"{written}, a host whose scripts run code of their address (JSONP, AngularJS)"
            case "plain http":
                return f"{written}, and what is fetched over plain HTTP can be replaced on the way"
            case "short nonce":
                return f"{written}, and fewer than {_SHORT_NONCE} characters can be guessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What does not do what whoever wrote it meant."""

    kind: MistakeKind
    directive: str
    text: str


_ELEMENTS = {
    "script-src-elem": "<script>",
    "script-src-attr": "event handlers",
    "style-src-elem": "<style>",
    "style-src-attr": "style attributes",
}


def find_holes(csp: Csp) -> tuple[CspHole, ...]:
    """What every policy of the answer lets through; nothing where there is no policy to look at."""
    found: dict[tuple[str, ...], CspHole] = {}
    for look in _LOOKS:
        ways = [tuple(look(policy)) for policy in csp.policies]
        if ways and all(ways):
            for hole in min(ways, key=_width):
                # one cause is one hole: what stands in script-src is in force for several elements
                group = "script-src" if hole.element == "worker-src" else hole.family
                found.setdefault((hole.kind, group, hole.directive, hole.source), hole)
    return tuple(found.values())


def _width(way: tuple[CspHole, ...]) -> tuple[bool, int]:
    """A policy that names hosts is narrower than one that names none."""
    return all(hole.kind != "known host" for hole in way), len(way)


def find_mistakes(csp: Csp) -> tuple[Mistake, ...]:
    """What browsers ignore of the policies, or read in another way than it was meant."""
    return tuple(mistake for policy in csp.policies for mistake in _mistakes(policy))


def _inline(element: str, policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    if policy.allows_inline(element):
        yield _hole(policy, "inline", element, "'unsafe-inline'")


def _eval(policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    if policy.allows_eval():
        yield _hole(policy, "eval", "script-src", "'unsafe-eval'")


def _anybody(element: str, policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    for source in policy.wide_sources(element):
        yield _hole(policy, "anybody", element, source)


def _base(policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    """Where a script is let in whatever its address, a page whose base is moved loads its own from elsewhere."""
    sources = policy.sources("script-src-elem") or ()
    dynamic = "'strict-dynamic'" in {source.lower() for source in sources}
    by_nonce = any(NONCE.fullmatch(source) or (dynamic and HASH.fullmatch(source)) for source in sources)
    for source in policy.wide_sources("base-uri"):
        yield _hole(policy, "moved base" if by_nonce else "anybody", "base-uri", source)


def _known_host(policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    yield from _anybody("script-src-elem", policy)
    sources = policy.sources("script-src-elem") or ()
    words = {source.lower() for source in sources}
    if "'strict-dynamic'" in words or "'none'" in words:
        return
    for source in sources:
        if "." in source and not source.startswith("'") and serves_scripts(source, with_eval=policy.allows_eval()):
            yield _hole(policy, "known host", "script-src-elem", source)


def _plain_http(element: str, policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    for source in policy.sources(element) or ():
        if source.lower().startswith(_PLAIN):
            yield _hole(policy, "plain http", element, source)


def _short_nonce(policy: ContentSecurityPolicy) -> Iterator[CspHole]:
    for name, sources in policy.directives.items():
        for source in sources:
            found = NONCE.fullmatch(source)
            if found and len(found[1]) < _SHORT_NONCE:
                yield CspHole(kind="short nonce", element=name, directive=name, source=source)


def _hole(policy: ContentSecurityPolicy, kind: HoleKind, element: str, source: str) -> CspHole:
    return CspHole(kind=kind, element=element, directive=policy.governing(element) or "", source=source)


_LOOKS: tuple[Callable[[ContentSecurityPolicy], Iterable[CspHole]], ...] = (
    *(partial(_inline, element) for element in _ELEMENTS),
    _eval,
    *(
        partial(_anybody, element)
        for element in ("script-src-elem", "script-src-attr", "worker-src", "object-src", "style-src-elem")
    ),
    partial(_anybody, "form-action"),
    _base,
    _known_host,
    *(partial(_plain_http, element) for element in ("script-src-elem", "object-src")),
    _short_nonce,
)


def _ignored(policy: ContentSecurityPolicy) -> Iterator[Mistake]:
    for name in policy.repeated:
        if name not in _MAY_REPEAT:
            yield Mistake(kind="ignored", directive=name, text=f"{name} stands there again and is ignored")
    for name in policy.unread:
        what = f"{name[:80]} holds a character outside ASCII, for which browsers ignore all of it"
        yield Mistake(kind="ignored", directive=name, text=what)
    # who may frame the document is asked of the header and X-Frame-Options together (`framing`)
    for name in (each for each in policy.unheard if each != "frame-ancestors"):
        yield Mistake(kind="ignored", directive=name, text=f"{name} in a <meta> is ignored: only a header may say it")


def _mistakes(policy: ContentSecurityPolicy) -> Iterator[Mistake]:
    yield from _ignored(policy)
    for name, words in policy.directives.items():
        yield from _mistakes_of(name, words)


def _mistakes_of(name: str, words: Sequence[str]) -> Iterator[Mistake]:
    if name not in KNOWN | DEPRECATED:
        yield _unknown(name)
    yield from _misread_words(name, words)
    lowered = {word.lower() for word in words}
    if len(words) > 1 and not lowered & KNOWN and "'none'" in lowered:
        yield Mistake(kind="ignored", directive=name, text=f"{name}: 'none' is ignored beside other sources")
    if "'strict-dynamic'" in lowered and not any(map(_is_proof, words)):
        what = f"{name}: 'strict-dynamic' without a nonce or a hash lets no script run at all"
        yield Mistake(kind="nothing runs", directive=name, text=what)


def _misread_words(name: str, words: Sequence[str]) -> Iterator[Mistake]:
    for word in words:
        text = _misread(name, word)
        if text:
            kind: MistakeKind = "no semicolon" if word.lower() in KNOWN | DEPRECATED else "no keyword"
            yield Mistake(kind=kind, directive=name, text=text)


def _is_proof(word: str) -> bool:
    """Is it a nonce or a hash?"""
    return NONCE.fullmatch(word) is not None or HASH.fullmatch(word) is not None


def _unknown(name: str) -> Mistake:
    text = f"{name[:80]!r} is no directive that browsers know{_hint(name.strip(':'), KNOWN)}"
    return Mistake(kind="unknown directive", directive=name, text=text)


def _hint(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _misread(directive: str, word: str) -> str:
    """Why a word of a directive does not mean what it seems to; "" if it does."""
    lowered = word.lower()
    if lowered in KNOWN | DEPRECATED and directive not in _MAY_REPEAT:
        return f"{directive}: a semicolon is missing before {lowered}"
    if directive == "require-trusted-types-for" and lowered != "'script'":
        return f"{directive}: {word[:80]} does nothing; 'script', in single quotes, is all that browsers know"
    if directive in _TYPES or directive not in _LISTS:
        return ""
    if lowered in _BARE or _BARE_NONCE.fullmatch(lowered):
        return f"{directive}: {word} does nothing without its single quotes"
    if _QUOTES.search(word):
        if lowered in _KEYWORDS or _is_proof(word):
            return ""
        return f"{directive}: {word[:80]} is no keyword that browsers know{_hint(lowered, _KEYWORDS)}"
    if lowered.startswith("//"):
        return f"{directive}: {word[:80]} is no source: a host stands there without slashes"
    if not _SOURCE.fullmatch(word):
        return f"{directive}: {word[:80]} is no source that browsers read"
    return ""


def serves_scripts(source: str, *, with_eval: bool) -> bool:
    """Is the source a host that csp-evaluator lists as serving JSONP or AngularJS? (Some need eval besides.)"""
    host, path = _host_and_path(source)
    wildcard = host.startswith("*.")
    ending = host.removeprefix("*")
    for known, known_path, needs_eval in _known_hosts():
        fits = known.endswith(ending) if wildcard else known == host
        if fits and (with_eval or not needs_eval) and _leads_to(path, known_path):
            return True
    return False


def _leads_to(path: str, known: str) -> bool:
    """CSP3 6.7.2.12: a path that ends with a slash is a folder, any other one a file."""
    if path in ("", "/"):
        return True
    return known.startswith(path) if path.endswith("/") else known == path


def _host_and_path(source: str) -> tuple[str, str]:
    rest = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*:)?//", "", source)
    host, slash, path = rest.partition("/")
    return host.partition(":")[0].lower(), slash + path


@cache
def _known_hosts() -> tuple[tuple[str, str, bool], ...]:
    """Host, path, and whether it needs eval."""
    lists = json.loads((Path(__file__).parent / "csp_hosts.json").read_text(encoding="utf-8"))
    places = [urlsplit(f"https:{url}") for url in (*lists["jsonp"], *lists["angular"])]
    needing = frozenset(lists["jsonp_needs_eval"])
    angular = {urlsplit(f"https:{url}").netloc.lower() for url in lists["angular"]}
    return tuple(
        (place.netloc.lower(), place.path, place.netloc in needing and place.netloc.lower() not in angular)
        for place in places
    )
