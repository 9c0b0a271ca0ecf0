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
    """Refuses a target, headers or a body that are too long (414, 431, 413)."""

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
        sent = dict(scope["headers"])
        declared = sent.get(b"content-length", b"0")
        messages: list[Message] = []
        size = int(declared) if declared.isdigit() else 0
        received = 0
        has_more = b"content-length" in sent or b"transfer-encoding" in sent
        while has_more and max(size, received) <= BODY_BYTES:
            try:
                message = await asyncio.wait_for(receive(), BODY_SECONDS)
            except TimeoutError:
                late = problem(scope, 408, "The body did not arrive in time.", headers={"Connection": "close"})
                await late(scope, receive, send)
                return
            messages.append(message)
            received += len(message.get("body", b""))
            has_more = message["type"] == "http.request" and message.get("more_body", False)
        if max(size, received) > BODY_BYTES:
            # The rest of the body is not read, so the connection cannot carry another request.
            refusal = problem(
                scope, 413, f"The body is longer than {BODY_BYTES} bytes.", headers={"Connection": "close"}
            )
            await refusal(scope, receive, send)
            return

        async def replay() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replay, send)


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
