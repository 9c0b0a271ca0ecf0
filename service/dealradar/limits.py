"""Bounds on what a request may bring along, enforced before anything parses it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.problems import problem

BODY_BYTES = 65_536
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
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            await problem(scope, 431, f"The headers are longer than {HEADER_BYTES} bytes.")(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        messages: list[Message] = []
        size = int(declared) if declared.isdigit() else 0
        received = 0
        has_more = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
        while has_more and max(size, received) <= BODY_BYTES:
            message = await receive()
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
