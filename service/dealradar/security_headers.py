"""Security headers on every answer, whoever made it: page, API, error, redirect or static file.

The set follows the OWASP HTTP Headers Cheat Sheet; HSTS is RFC 6797, which forbids it on answers over plain HTTP.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.clients import identify
from dealradar.settings import Network

CONTENT_SECURITY_POLICY = "; ".join(
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
HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS]
STRICT_TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class SecurityHeaders:
    """Adds the headers after everything inside has spoken."""

    def __init__(self, app: ASGIApp, trusted: tuple[Network, ...]) -> None:
        self.app = app
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the client recorded, and dress its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = identify(scope, self.trusted)
        scope["state"]["client"] = client

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *RAW_HEADERS]
                if client.is_secure:
                    message["headers"].append(STRICT_TRANSPORT_SECURITY)
                # What nobody decided about is not to be kept by anyone.
                MutableHeaders(raw=message["headers"]).setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_dressed)
