"""Headers that tell a browser what it may do with an answer, as the algorithms of its standards read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import http_sf

from harness.probes.csp import Csp
from harness.probes.headers import split_list

Framing = Literal["anybody", "some", "nobody"]
"""Which pages may show the document in a frame: of any site, of some, of none."""

REFERRER_POLICIES = frozenset(
    {
        *("no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin"),
        *("strict-origin", "strict-origin-when-cross-origin", "unsafe-url"),
    }
)
_OLD_REFERRER_WORDS = {
    "never": "no-referrer",
    "default": "strict-origin-when-cross-origin",
    "always": "unsafe-url",
    "origin-when-crossorigin": "origin-when-cross-origin",
}
"""What `<meta name=referrer>` may say instead (HTML 4.2.5.1)."""
_X_FRAME_OPTIONS = frozenset({"deny", "sameorigin", "allowall"})


def keeps_type(lines: Iterable[str]) -> bool:
    """Does X-Content-Type-Options keep a browser from guessing? The first of its words counts (Fetch 3.6.1)."""
    return ",".join(lines).split(",")[0].strip(" \t").lower() == "nosniff"


def referrer_policy(lines: Iterable[str], metas: Iterable[str] = ()) -> str:
    """The Referrer-Policy in force: the last word that browsers know (Referrer Policy 8.1, 11.1), "" without any.

    A `<meta name=referrer>` comes after the header, and a later one after an earlier one.
    """
    known = [word.lower() for word in split_list(lines) if word.lower() in REFERRER_POLICIES]
    for meta in metas:
        word = meta.strip().lower()
        word = _OLD_REFERRER_WORDS.get(word, word)
        if word in REFERRER_POLICIES:
            known.append(word)
    return known[-1] if known else ""


def framing(options: Iterable[str], policy: Csp) -> Framing:
    """Who may frame a document: `frame-ancestors` alone where a policy has it, else X-Frame-Options.

    HTML 7.3.2.2 ("check a navigation response's adherence to X-Frame-Options"); CSP3 6.4.2.
    """
    if policy.names("frame-ancestors"):
        if policy.forbids("frame-ancestors"):
            return "nobody"
        return "anybody" if policy.wide_sources("frame-ancestors") else "some"
    words = {word.lower() for word in split_list(options)}
    if len(words) > 1:
        return "nobody" if words & _X_FRAME_OPTIONS else "anybody"
    if words == {"deny"}:
        return "nobody"
    return "some" if words == {"sameorigin"} else "anybody"


def opener_policy(lines: Iterable[str]) -> str:
    """Cross-Origin-Opener-Policy in force, "unsafe-none" where there is none that can be read (HTML 7.1.3.1)."""
    return structured_token(lines) or "unsafe-none"


def structured_token(lines: Iterable[str]) -> str:
    """The token of a structured field that is one item (RFC 9651 4.2); "" if it is none: browsers ignore it then."""
    values = tuple(lines)
    if not values:
        return ""
    try:
        # the library reads bytes, and refuses those that are not ASCII as the RFC does
        item = http_sf.parse(", ".join(values).encode("utf-8", "replace"), tltype="item")
    except ValueError:
        return ""
    value = item[0] if isinstance(item, tuple) else item
    return str(value) if isinstance(value, http_sf.Token) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionsPolicy:
    """Permissions-Policy: feature -> who may use it, as written; None where browsers cannot read the header."""

    features: Mapping[str, tuple[str, ...]] | None

    def is_limited(self, feature: str) -> bool:
        """Is the feature kept from other sites by this header? (`*` opens it, an unnamed one keeps its default.)"""
        return self.features is not None and feature in self.features and "*" not in self.features[feature]


def permissions_policy(lines: Iterable[str]) -> PermissionsPolicy:
    """The header as a dictionary of structured fields (Permissions Policy 5.2, RFC 9651 4.2.2)."""
    values = tuple(lines)
    if not values:
        return PermissionsPolicy(features={})
    try:
        members = http_sf.parse(", ".join(values).encode("utf-8", "replace"), tltype="dictionary")
    except ValueError:
        return PermissionsPolicy(features=None)
    found = members if isinstance(members, dict) else {}
    return PermissionsPolicy(features={name: _allowed(member) for name, member in found.items()})


def _allowed(member: object) -> tuple[str, ...]:
    value = member[0] if isinstance(member, tuple) else member
    if isinstance(value, list):
        return tuple(str(item[0] if isinstance(item, tuple) else item) for item in value)
    return (str(value),)
