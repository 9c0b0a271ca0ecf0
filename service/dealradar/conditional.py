"""Entity tags and conditional reads: a client that has the present representation gets 304 without a body.

RFC 9110, 8.8.3 and 13.1.2. A tag is the digest of the bytes, so it is strong and the same on every instance; it may
stand in If-Match too.
"""

import hashlib
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

TAG = re.compile(rb'(?:W/)?("[^"]*")')
OF_THE_BODY = {b"content-type", b"content-length", b"content-encoding"}


def entity_tag(body: bytes) -> str:
    """The tag of a representation, quotes included."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def names(header: bytes, tag: bytes) -> bool:
    """Does an If-None-Match name this tag? Compared weakly, as 13.1.2 asks: a proxy may have weakened ours."""
    return header.strip() == b"*" or tag.removeprefix(b"W/") in TAG.findall(header)


class Conditional:
    """Lies outside of the response cache, and tags what was tagged by nobody inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a successful read back until its tag is known; then send it, or 304."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        known = b",".join([value for name, value in scope["headers"] if name == b"if-none-match"])
        start: Message | None = None
        chunks: list[bytes] = []

        async def send_tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
                return
            if start is None:
                await send(message)
                return
            chunks.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            body = b"".join(chunks)
            headers = start["headers"]
            tag = next((value for name, value in headers if name == b"etag"), b"")
            if not tag:
                tag = entity_tag(body).encode()
                headers.append((b"etag", tag))
            if known and names(known, tag):
                kept = [header for header in headers if header[0] not in OF_THE_BODY]
                start, body = {**start, "status": 304, "headers": kept}, b""
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, send_tagged)
