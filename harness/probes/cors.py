"""What a service tells a page of another origin: a simple request, and the preflight before one that is not simple."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.probes.exchange import Exchange
from harness.probes.headers import names_in, whole_seconds
from harness.probes.http import RecordingClient


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsAnswer:
    """What came back to one origin. Reading it follows the CORS protocol of the Fetch standard (sections 3.2, 4.10)."""

    origin: str
    asked_method: str
    asked_headers: tuple[str, ...]
    simple: Exchange
    preflight: Exchange

    @property
    def may_read(self) -> bool:
        """May a page of the origin read the simple answer, without credentials?"""
        return _lets_in(self.simple, self.origin)

    @property
    def may_read_with_credentials(self) -> bool:
        """May it read an answer to a request that carried the user's cookies?"""
        return _lets_in_with_credentials(self.simple, self.origin)

    @property
    def may_send(self) -> bool:
        """Does the preflight let the asked method with the asked headers through?"""
        answer = self.preflight
        if not (200 <= answer.status < 300 and _lets_in(answer, self.origin)):
            return False
        methods = {method.upper() for method in names_in(answer.header_lines("Access-Control-Allow-Methods"))}
        headers = names_in(answer.header_lines("Access-Control-Allow-Headers"))
        simple_method = self.asked_method.upper() in ("GET", "HEAD", "POST")
        method_allowed = simple_method or bool({self.asked_method.upper(), "*"} & methods)
        # Authorization is never covered by the wildcard (Fetch 3.2.3).
        return method_allowed and all(
            name.lower() in headers or ("*" in headers and name.lower() != "authorization")
            for name in self.asked_headers
        )

    @property
    def may_send_with_credentials(self) -> bool:
        """Does it do so for a request that carries the user's cookies? Then no wildcard counts (Fetch 4.8)."""
        answer = self.preflight
        if not (200 <= answer.status < 300 and _lets_in_with_credentials(answer, self.origin)):
            return False
        methods = {method.upper() for method in names_in(answer.header_lines("Access-Control-Allow-Methods"))}
        headers = names_in(answer.header_lines("Access-Control-Allow-Headers"))
        method_allowed = self.asked_method.upper() in {"GET", "HEAD", "POST", *methods}
        return method_allowed and all(name.lower() in headers for name in self.asked_headers)

    @property
    def lets_in_anyone(self) -> bool:
        """Does either answer carry the wildcard?"""
        return "*" in (_allowed_origin(self.simple), _allowed_origin(self.preflight))

    @property
    def varies_by_origin(self) -> bool:
        """Does the simple answer tell caches that it depends on the origin (Vary: Origin)?"""
        return bool({"origin", "*"} & names_in(self.simple.header_lines("Vary")))

    @property
    def preflight_max_age_s(self) -> int | None:
        """Seconds for which a browser keeps the preflight's answer; None if it says nothing readable."""
        return whole_seconds((self.preflight.header("Access-Control-Max-Age") or "").strip())


def ask_cors(
    client: RecordingClient,
    path: str,
    origin: str,
    *,
    method: str = "PUT",
    headers: Sequence[str] = ("authorization", "content-type"),
) -> CorsAnswer:
    """Send a GET of `path` from `origin`, then the preflight for `method` with `headers`. Neither writes anything."""
    simple = client.exchange("GET", path, headers={"Origin": origin})
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = ",".join(sorted(name.lower() for name in headers))
    preflight = client.exchange("OPTIONS", path, headers=asked)
    return CorsAnswer(
        origin=origin, asked_method=method, asked_headers=tuple(headers), simple=simple, preflight=preflight
    )


def _allowed_origin(answer: Exchange) -> str | None:
    # Two headers fail in every browser: "a, b" is equal to no origin and to no wildcard.
    return answer.header("Access-Control-Allow-Origin")


def _lets_in(answer: Exchange, origin: str) -> bool:
    return _allowed_origin(answer) in ("*", origin)


def _lets_in_with_credentials(answer: Exchange, origin: str) -> bool:
    allowed = answer.header("Access-Control-Allow-Credentials") == "true"
    return allowed and _allowed_origin(answer) == origin
