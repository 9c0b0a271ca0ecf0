"""Errors as problem documents (RFC 9457, application/problem+json) that say what a client may know and no more.

A browser that asked for a page gets the same as a page.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from dealradar.rendering import render

MEDIA_TYPE = "application/problem+json"
_FOR_PROGRAMS = ("/api/", "/health/", "/metrics", "/openapi.json")


def problem(
    scope: Scope, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: object
) -> Response:
    """Build the answer for one failed request. `members` are extension members, such as the fields that were wrong.

    The JSON is pure ASCII: what a client sent may hold lone surrogates, which have no encoding.
    """
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": scope["path"],
        "request_id": scope["state"]["request_id"],
        **members,
    }
    headers = {"Cache-Control": "no-store", **(headers or {})}
    if not scope["path"].startswith(_FOR_PROGRAMS):
        headers["Vary"] = "Accept"
    if _is_for_people(scope):
        return HTMLResponse(render("error.html", problem=document, browser=False, here=scope["path"]), status, headers)
    return Response(json.dumps(document), status, headers, media_type=MEDIA_TYPE)


def unexpected(scope: Scope) -> Response:
    """The answer where the service itself failed: it tells nothing."""
    return problem(scope, 500, "The request could not be completed.")


def _is_for_people(scope: Scope) -> bool:
    accepts_html = any(name == b"accept" and b"text/html" in value for name, value in scope.get("headers", ()))
    return accepts_html and not scope["path"].startswith(_FOR_PROGRAMS)
