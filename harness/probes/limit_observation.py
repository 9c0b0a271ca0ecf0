"""What was seen of a rate limiter: single answers, bursts of one client, and the whole course. Plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

REFUSED = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitAnswer:
    """What one request got. Times are seconds from the start of the probe."""

    sent_s: float
    answered_s: float
    status: int | None
    """None if the service gave no whole answer; `failure` says why."""
    retry_after_s: float | None = None
    has_retry_after: bool = False
    limit_headers: Mapping[str, str] = field(default_factory=dict)
    """RateLimit, RateLimit-Policy and their older kin, as sent."""
    failure: str | None = None

    @property
    def served(self) -> bool:
        """A success or a redirect: the limiter let it through and the service did its work."""
        return self.status is not None and self.status < 400

    @property
    def refused(self) -> bool:
        """Refused by the limiter (RFC 6585 4)."""
        return self.status == REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Requests of one client, sent at once. Times are seconds from the start of the probe."""

    client: str
    begun_s: float
    ended_s: float
    answers: tuple[LimitAnswer, ...]

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return len(self.answers)

    @property
    def served(self) -> int:
        """How many were let through and answered well."""
        return sum(answer.served for answer in self.answers)

    @property
    def refused(self) -> int:
        """How many were refused with 429."""
        return sum(answer.refused for answer in self.answers)

    @property
    def statuses(self) -> Mapping[str, int]:
        """Status -> count; "none" for those without an answer."""
        return Counter("none" if answer.status is None else str(answer.status) for answer in self.answers)

    @property
    def failures(self) -> tuple[str, ...]:
        """Why requests got no answer, each reason once."""
        return tuple(dict.fromkeys(answer.failure for answer in self.answers if answer.failure))

    @property
    def retry_after_s(self) -> tuple[float, ...]:
        """The different waits that refusals named, ascending."""
        named = {answer.retry_after_s for answer in self.answers if answer.refused}
        return tuple(sorted(wait for wait in named if wait is not None))

    @property
    def without_retry_after(self) -> int:
        """Refusals that named no readable wait."""
        return sum(answer.refused and answer.retry_after_s is None for answer in self.answers)

    @property
    def promised_at_s(self) -> float | None:
        """When a client that heeds every refusal it got may ask again; None if none was readable."""
        promises = (
            answer.answered_s + answer.retry_after_s
            for answer in self.answers
            if answer.refused and answer.retry_after_s is not None
        )
        return max(promises, default=None)

    @property
    def limit_headers(self) -> Mapping[str, str]:
        """What the last refusal (or else the last answer) said about the limit."""
        ordered = sorted(self.answers, key=lambda answer: (answer.refused, answer.answered_s))
        return ordered[-1].limit_headers if ordered else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitObservation:
    """All that was seen of one limiter; what it means is the caller's to say."""

    limit: int
    window_s: float
    bursts: tuple[Burst, ...]
    """In order; `blocked` is the first of them in which a request was refused."""
    blocked: Burst | None
    """None: never refused, in two bursts of two clients."""
    other_client: LimitAnswer | None = None
    """Another client's request, right after the burst that was refused; None where clients cannot be told apart."""
    after_wait: LimitAnswer | None = None
    """The blocked client's first request after `waited_s`."""
    waited_s: float = 0.0
    """Seconds of silence before `after_wait`."""
    heeded: bool = False
    """The wait was the one that Retry-After named; otherwise the whole window, since none was named or a longer one."""
    after_window: LimitAnswer | None = None
    """Asked only if `after_wait` was refused: the first request after a whole window of silence."""
    served_in_window: int = 0
    """Requests of the blocked client that were served within one window, counted from its first request."""
    spoofed: tuple[Burst, ...] = ()
    """Bursts of a client that nobody trusts and that names another forwarded address in every request."""

    @property
    def recovered(self) -> bool:
        """Was the blocked client served again, after Retry-After or at least after the window?"""
        return any(answer is not None and answer.served for answer in (self.after_wait, self.after_window))

    @property
    def spoofing_refused(self) -> bool | None:
        """Was the client that lies refused? None if that was not tried."""
        return any(burst.refused for burst in self.spoofed) if self.spoofed else None
