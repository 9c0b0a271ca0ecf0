"""Cross-origin access to the API for the origins on the list, compared exactly. No cookies: no credentials header."""

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dealradar.problems import problem

ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
EXPOSED_HEADERS = (
    b"ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Cache, X-Request-ID"
)
PREFLIGHT_SECONDS = "600"


class Cors:
    """Lies outside of the response cache: no origin ever gets into a stored answer."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self.app = app
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer preflights; on other answers of the API name the origin if it is allowed."""
        if scope["type"] != "http" or not (scope["path"].startswith("/api/") or scope["path"] == "/openapi.json"):
            await self.app(scope, receive, send)
            return
        origin = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"), "")
        if scope["method"] == "OPTIONS" and origin and "access-control-request-method" in Headers(scope=scope):
            await self._preflight(scope, origin)(scope, receive, send)
            return
        scope["state"]["dress"].append((b"vary", b"Origin"))
        if origin in self.origins:
            scope["state"]["dress"] += [
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-expose-headers", EXPOSED_HEADERS),
            ]
        await self.app(scope, receive, send)

    def _preflight(self, scope: Scope, origin: str) -> Response:
        vary = {"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
        if origin not in self.origins:
            return problem(scope, 403, "This origin is not allowed to call the API.", headers=vary)
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Allow-Methods": ALLOWED_METHODS,
                "Access-Control-Allow-Headers": ALLOWED_HEADERS,
                "Access-Control-Max-Age": PREFLIGHT_SECONDS,
                **vary,
            },
        )
