"""The outermost ASGI layer: gives each request its id, times it, answers HEAD by GET, catches what nobody caught."""

import logging
import re
import time
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dealradar.problems import problem
from dealradar.traffic import Traffic

log = logging.getLogger("dealradar.request")


class Outermost:
    """Everything else runs inside of this one."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an exception becomes one log line and a 500 that tells nothing."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = _request_id(scope)
        method = scope["method"]
        # The server leaves the body away when it answers a HEAD, so the layers below need not know of HEAD at all.
        inner = {**scope, "method": "GET" if method == "HEAD" else method, "state": {**scope.get("state", {})}}
        inner["state"]["request_id"] = request_id
        status, x_cache = 0, None

        async def send_with_id(message: Message) -> None:
            nonlocal status, x_cache
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-ID"] = request_id
                x_cache = headers.get("x-cache")
            await send(message)

        try:
            await self.app(inner, receive, send_with_id)
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id, "path": scope["path"]})
            if status:
                return
            await problem(inner, 500, "The request could not be completed.")(inner, receive, send_with_id)
        seconds = time.perf_counter() - begun
        self.traffic.record(inner["method"], scope["path"], status, seconds, x_cache)
        log.debug(
            "%s %s",
            method,
            scope["path"],
            extra={"status": status, "ms": round(seconds * 1_000, 2), "request_id": request_id, "cache": x_cache},
        )


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is harmless, so that logs of several services can be joined; otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", value):
            return str(value, "ascii")
    return uuid.uuid4().hex
