"""Security headers on every answer, whoever made it: page, API, error, redirect or static file.

The set follows the OWASP HTTP Headers Cheat Sheet; HSTS is RFC 6797, which forbids it on answers over plain HTTP.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from dealradar.clients import identify
from dealradar.settings import Network

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
_OFF = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "microphone",
    "midi",
    "payment",
    "usb",
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _OFF),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Over plain HTTP, as in development and test, there is nothing to upgrade to.
_CHANGES = {"production": {"Content-Security-Policy": f"{_POLICY}; upgrade-insecure-requests"}}
# In development none: a browser would keep it for everything else that is served from the same host name.
_HSTS = {"test": "max-age=31536000; includeSubDomains", "production": "max-age=63072000; includeSubDomains"}

RawHeaders = list[tuple[bytes, bytes]]


def raw_headers(environment: str) -> RawHeaders:
    """The headers of every answer; those of secure ones alone are added by SecurityHeaders."""
    headers = _HEADERS | _CHANGES.get(environment, {})
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class SecurityHeaders:
    """Adds the headers to whatever is answered."""

    def __init__(self, app: ASGIApp, trusted: tuple[Network, ...], environment: str) -> None:
        self.app = app
        self.trusted = frozenset(trusted)
        self.plain = raw_headers(environment)
        hsts = _HSTS.get(environment)
        self.secure = [*self.plain, *([(b"strict-transport-security", hsts.encode())] if hsts else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the client recorded and its answer dressed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = identify(scope, self.trusted)
        scope["state"]["client"] = client
        scope["state"]["dress"] += self.secure if client.is_secure else self.plain
        await self.app(scope, receive, send)
