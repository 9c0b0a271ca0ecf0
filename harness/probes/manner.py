"""How a service answers where nobody knows what there is: its front page, and a path that nobody has.

An API needs no front page, a client-side router answers every path with one, and behind a login nobody learns what
exists: each is sound, and what is asked of the others is not asked of it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace

from harness.probes.exchange import Exchange, UnfitAnswer
from harness.probes.http import ServiceUnavailable
from harness.probes.landing import Ask, Landing, land

_NONCE = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_NOT_ALLOWED = (401, 403)
_NOT_THERE = (404, 410)
_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What `GET /` and a path that nobody has were answered."""

    front: int = 0
    """Status where `GET /` led to; 0 where no whole answer came."""
    front_path: str = "/"
    unknown: int = 404
    """Status of the path that nobody has; 0 where no whole answer came."""
    unknown_leads_to: str = ""
    is_one_page: bool = False
    """Every path is answered with the front page."""
    challenge: str = ""
    """WWW-Authenticate of a front page that is closed."""

    @property
    def needs_login(self) -> bool:
        """Nothing at all is shown without a login."""
        return self.front in _NOT_ALLOWED and self.unknown in _NOT_ALLOWED

    @property
    def hides(self) -> str | None:
        """Why an unknown path cannot be told from others, as one line; None where it is answered as unknown."""
        if self.needs_login:
            return self.login_line
        if self.is_one_page:
            return "not applicable: every path is answered with the front page, as a client-side router needs it"
        if self.unknown in _NOT_ALLOWED:
            return f"not applicable: an unknown path is answered {self.unknown}, so nobody learns what exists"
        if self.unknown_leads_to:
            return f"not applicable: an unknown path is redirected to {self.unknown_leads_to}"
        return None

    @property
    def login_line(self) -> str:
        """What a service behind a login needs of its profile."""
        asked = f" ({self.challenge})" if self.challenge else ""
        what = "every path" if self.needs_login else "GET /"
        return (
            f"needs a login: {what} is answered {self.front}{asked}; add an account as [auth.roles.NAME] to the"
            " profile, or name what is open in [pages] paths or [health] live"
        )


USUAL = Manner()
"""A service that answers 404 to what it does not have."""


def find_manner(ask: Ask, url: str, front: Landing | None) -> Manner:
    """Ask for a path that nobody has, and hold it against the front page."""
    path = f"/no-such-path-{uuid.uuid4().hex}"
    known = _of_front(front)
    try:
        missing = land(ask, url, path)
    except (ServiceUnavailable, UnfitAnswer):
        return replace(known, unknown=0)
    # a slash is often added first: what counts is that the path is not there in the end
    if (len(missing.paths) > 1 or missing.leaves_for) and missing.answer.status not in _NOT_THERE:
        return replace(known, unknown=302, unknown_leads_to=(missing.leaves_for or missing.path)[:_SHOWN])
    is_both = known.front == missing.answer.status == 200
    one_page = is_both and front is not None and _is_same(front.answer, missing.answer)
    return replace(known, unknown=missing.answer.status, is_one_page=one_page)


def _of_front(front: Landing | None) -> Manner:
    if front is None:
        return Manner()
    challenge = front.answer.header("WWW-Authenticate") or ""
    return Manner(front=front.answer.status, front_path=front.path, challenge=challenge[:_SHOWN])


def _is_same(one: Exchange, other: Exchange) -> bool:
    """The same body, but for what is new in every answer."""
    return _NONCE.sub("", one.text) == _NONCE.sub("", other.text)
