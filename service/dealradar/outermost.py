"""The outermost ASGI layer: gives each request its id, times it, answers HEAD by GET, catches what nobody caught."""

import logging
import random
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.problems import unexpected
from dealradar.traffic import Traffic

log = logging.getLogger("dealradar.request")


class Outermost:
    """Everything else runs inside of this one.

    It alone changes answers on their way out: the layers inside put the headers that any answer is to carry, also one
    to an unexpected error, into the state of the request as `dress`.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an exception becomes one log line, and a 500 that tells nothing if no answer has begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = _request_id(scope)
        dress = [(b"x-request-id", request_id.encode())]
        method = scope["method"]
        # The server leaves the body away when it answers a HEAD, so the layers below need not know of HEAD at all.
        inner = {**scope, "method": "GET" if method == "HEAD" else method}
        inner["state"] = {**scope.get("state", {}), "request_id": request_id, "dress": dress}
        status = 0
        x_cache: bytes | None = None

        async def send_dressed(message: Message) -> None:
            nonlocal status, x_cache
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message["headers"], *dress]
                values = dict(headers)
                x_cache = values.get(b"x-cache")
                if b"cache-control" not in values:
                    # What nobody decided about is not to be kept by anyone.
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        try:
            await self.app(inner, receive, send_dressed)
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id, "path": scope["path"]})
            if not status:
                await unexpected(inner)(inner, receive, send_dressed)
        seconds = time.perf_counter() - begun
        self.traffic.record(inner["method"], scope["path"], status, seconds, x_cache.decode() if x_cache else None)
        if log.isEnabledFor(logging.DEBUG):
            told = {"status": status, "ms": round(seconds * 1_000, 2), "request_id": request_id, "cache": str(x_cache)}
            log.debug("%s %s", method, scope["path"], extra=told)


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is harmless, so that logs of several services can be joined; otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", value):
            return str(value, "ascii")
    return f"{random.getrandbits(128):032x}"
