"""Errors as problem documents (RFC 9457, application/problem+json) that say what a client may know and no more."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"


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
    return Response(
        json.dumps(document), status, {"Cache-Control": "no-store", **(headers or {})}, media_type=MEDIA_TYPE
    )


def unexpected(scope: Scope) -> Response:
    """The answer where the service itself failed: it tells nothing."""
    return problem(scope, 500, "The request could not be completed.")
