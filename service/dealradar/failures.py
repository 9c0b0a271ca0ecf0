"""What the framework raises, as problem documents. Nothing that a client sent is given back, except names of fields."""

import logging
from http import HTTPStatus

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from dealradar.database import DatabaseDownError
from dealradar.problems import problem, unexpected

log = logging.getLogger("dealradar.failures")
MOST_ERRORS = 20
LONGEST_NAME = 100


def install(app: FastAPI) -> None:
    """Register a handler for each kind of failure that a route may end in."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DatabaseDownError, _database_down)
    app.add_exception_handler(psycopg.IntegrityError, _conflict)
    app.add_exception_handler(Exception, _unexpected)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    detail = error.detail
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed_methods(request))
        detail = "This method is not allowed here; the Allow header names those that are."
    elif error.status_code == 404 and detail == HTTPStatus(404).phrase:
        detail = "There is nothing at this path."
    return problem(request.scope, error.status_code, detail, headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem(request.scope, 400, "The body is not valid JSON.")
    errors = [
        {
            "in": str(item["loc"][0]),
            "field": ".".join(str(part) for part in item["loc"][1:])[:LONGEST_NAME],
            "message": str(item["msg"]).removeprefix("Value error, "),
        }
        for item in found[:MOST_ERRORS]
    ]
    return problem(request.scope, 422, "The request is not valid; `errors` says where.", errors=errors)


async def _database_down(request: Request, error: Exception) -> Response:
    log.warning("the database does not answer", extra={"reason": str(error), "request_id": request.state.request_id})
    return problem(request.scope, 503, "The database does not answer at the moment.", headers={"Retry-After": "1"})


async def _conflict(request: Request, error: Exception) -> Response:
    log.warning("conflict", extra={"reason": type(error).__name__, "request_id": request.state.request_id})
    return problem(request.scope, 409, "The request contradicts what is stored.")


async def _unexpected(request: Request, _: Exception) -> Response:
    # The framework raises the exception again after this answer, and Outermost logs it.
    return unexpected(request.scope)


def _allowed_methods(request: Request) -> list[str]:
    """All methods of the path: several routes share one path, and the framework names only those of the first."""
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE:
            methods |= route.methods or set()
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
