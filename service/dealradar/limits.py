"""Bounds on what a request may bring along, enforced before anything parses it."""

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.problems import problem

log = logging.getLogger("dealradar.limits")
BODY_BYTES = 65_536
BODY_SECONDS = 10.0
HEADER_BYTES = 16_384
TARGET_BYTES = 8_192


class RequestLimits:
    """Refuses a target, headers or a body that are too long (414, 431, 413) or too slow (408)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body first: a length that is declared may be a lie, one that is counted is not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > TARGET_BYTES:
            await problem(scope, 414, f"The target is longer than {TARGET_BYTES} bytes.")(scope, receive, send)
            return
        if sum([len(name) + len(value) for name, value in scope["headers"]]) > HEADER_BYTES:
            await problem(scope, 431, f"The headers are longer than {HEADER_BYTES} bytes.")(scope, receive, send)
            return
        names = [name for name, _ in scope["headers"]]
        if names.count(b"host") != 1 and scope["http_version"] == "1.1":  # RFC 9112, 3.2
            await problem(scope, 400, "Exactly one Host header is needed.")(scope, receive, send)
            return
        if b"content-length" not in names and b"transfer-encoding" not in names:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                messages = await _whole_body(scope, receive)
        except TimeoutError:
            late = problem(scope, 408, "The body did not arrive in time.", headers={"Connection": "close"})
            await late(scope, receive, send)
            return
        if messages is None:
            # The rest of the body is not read, so the connection cannot carry another request.
            refusal = problem(
                scope, 413, f"The body is longer than {BODY_BYTES} bytes.", headers={"Connection": "close"}
            )
            await refusal(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replay, send)


async def _whole_body(scope: Scope, receive: Receive) -> list[Message] | None:
    """The messages of a body; None if it is too long, whether it says so or not."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    size = int(declared) if declared.isdigit() else 0
    messages: list[Message] = []
    received = 0
    has_more = True
    while has_more and max(size, received) <= BODY_BYTES:
        message = await receive()
        messages.append(message)
        received += len(message.get("body", b""))
        has_more = message["type"] == "http.request" and message.get("more_body", False)
    return messages if max(size, received) <= BODY_BYTES else None


class TimeLimit:
    """Ends a computation that takes too long with 503, so that a request that hangs does not hold what it holds."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, for so long."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with asyncio.timeout(self.seconds) as limit:
                await self.app(scope, receive, send_noting)
        except TimeoutError:
            if not limit.expired() or has_begun:
                raise
            log.warning("a request took too long", extra={"request_id": scope["state"]["request_id"]})
            await problem(scope, 503, "The answer took too long.", headers={"Retry-After": "1"})(scope, receive, send)
