"""What holds for each request of a test: where it may write, and how fast all tests together may ask."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest

from harness.errors import HarnessError
from harness.model.network import SAFE_METHODS
from harness.probes.exchange import SentRequest
from harness.pytest_plugin.pacing import unasked_refusal
from harness.pytest_plugin.stash import Context, ItemNotes

_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class RequestRules:
    """The rules for the requests of one test, whatever client sends them."""

    context: Context
    notes: ItemNotes

    def before(self, method: str, url: str) -> None:
        """Skip the test that would write where nobody allowed it; wait where requests are paced."""
        if method not in SAFE_METHODS:
            refusal = self.context.refusal("write", url)
            if refusal is not None:
                pytest.skip(str(refusal))
        self.pause()

    def pause(self) -> None:
        """Wait where requests are paced."""
        if self.context.pace is not None:
            self.context.pace.wait()

    def visited(self, method: str, url: str) -> None:
        """The test's browser asked for a page: of what fails there, this request is the one to repeat."""
        self.notes.visited.append(SentRequest(method=method, url=url))

    def note(self, method: str, url: str, status: int) -> str | None:
        """Where requests are paced, a refusal by the limiter says nothing of what the test asks: an error, in words."""
        if status == _TOO_MANY and self.context.target.ratelimit is None:
            self.notes.limited.append(f"{method} {url}")
        if self.context.pace is None or status != _TOO_MANY:
            return None
        words = unasked_refusal(self.context.target, f"{method} {url}")
        self.notes.unasked.append(words)
        return words

    def after(self, response: httpx.Response) -> None:
        """A hook of httpx: raise what `note` has to say."""
        words = self.note(response.request.method, str(response.request.url), response.status_code)
        if words is not None:
            raise HarnessError(words)
