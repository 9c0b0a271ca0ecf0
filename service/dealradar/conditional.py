"""Entity tags and conditional reads: a client that has the present representation gets 304 without a body.

RFC 9110, 8.8.3 and 13.1.2. A tag is the digest of the bytes, so it is strong and the same on every instance; it may
stand in If-Match too.
"""

import hashlib
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPAQUE_TAG = re.compile(rb'"[^"]*"')
OF_THE_BODY = {b"content-type", b"content-length", b"content-encoding"}


def entity_tag(body: bytes) -> str:
    """The tag of a representation, quotes included."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def names(header: bytes, tag: bytes) -> bool:
    """Does an If-None-Match name this tag? Compared weakly, as 13.1.2 asks: a proxy may have weakened ours."""
    return header.strip() == b"*" or tag.removeprefix(b"W/") in OPAQUE_TAG.findall(header)


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
        start: Message = {}
        chunks: list[bytes] = []

        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                start.update(message)
                if known or b"etag" not in dict(message["headers"]):
                    return
                start.clear()
            if not start:
                await send(message)
                return
            chunks.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            body = b"".join(chunks)
            headers = start["headers"]
            tag = dict(headers).get(b"etag")
            if tag is None:
                tag = entity_tag(body).encode()
                headers.append((b"etag", tag))
            if names(known, tag):
                kept = [header for header in headers if header[0] not in OF_THE_BODY]
                start.update(status=304, headers=kept)
                body = b""
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, send_tagged)
