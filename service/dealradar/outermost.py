"""The outermost ASGI layer, which gives each request its id, times it and answers HEAD by GET; and the last resort."""

import logging
import random
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.problems import unexpected
from dealradar.traffic import Traffic

log = logging.getLogger("dealradar.request")


class Outermost:
    """Everything else runs inside of this one."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = _request_id(scope)
        method = scope["method"]
        # The server leaves the body away when it answers a HEAD, so the layers below need not know of HEAD at all.
        inner = {**scope, "method": "GET" if method == "HEAD" else method, "state": {**scope.get("state", {})}}
        inner["state"]["request_id"] = request_id
        status = 0
        x_cache: bytes | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status, x_cache
            if message["type"] == "http.response.start":
                status = message["status"]
                x_cache = dict(message["headers"]).get(b"x-cache")
                message["headers"].append((b"x-request-id", request_id.encode()))
            await send(message)

        await self.app(inner, receive, send_with_id)
        seconds = time.perf_counter() - begun
        self.traffic.record(inner["method"], scope["path"], status, seconds, x_cache.decode() if x_cache else None)
        if log.isEnabledFor(logging.DEBUG):
            told = {"status": status, "ms": round(seconds * 1_000, 2), "request_id": request_id, "cache": str(x_cache)}
            log.debug("%s %s", method, scope["path"], extra=told)


class LastResort:
    """Catches what nobody caught. Lies inside of CORS and the security headers: even these answers are dressed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An exception becomes one log line, and a 500 that tells nothing unless an answer has begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except Exception:
            request_id = scope["state"]["request_id"]
            log.exception("unexpected error", extra={"request_id": request_id, "path": scope["path"]})
            if not has_begun:
                await unexpected(scope)(scope, receive, send)


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is harmless, so that logs of several services can be joined; otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", value):
            return str(value, "ascii")
    return f"{random.getrandbits(128):032x}"
