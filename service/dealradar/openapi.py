"""The OpenAPI 3.1 document: what FastAPI derives from the routes, corrected where its defaults are not what is
answered.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dealradar import __version__
from dealradar.problems import MEDIA_TYPE
from dealradar.schemas import Problem

_WITH_BODY = {
    "400": "The body is not JSON",
    "413": "The body is too long",
    "422": "A parameter or the body is not valid",
}
_ALWAYS = {
    "414": "The target is too long",
    "429": "Too many requests; Retry-After says how long to wait",
    "431": "The headers are too long",
    "503": "The database does not answer",
}


def document(app: FastAPI) -> dict[str, Any]:
    """Build the document once. Every error in it is a problem document, as in the answers."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title="DealRadar",
            version=__version__,
            openapi_version="3.1.0",
            routes=app.routes,
            description="Deals with their prices, reviews, comments, and who wants to hear of them.",
        )
        schemas = schema["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                _correct(operation, is_limited=not path.startswith("/health/"))
        app.openapi_schema = schema
    return app.openapi_schema


def _correct(operation: dict[str, Any], *, is_limited: bool) -> None:
    responses = operation["responses"]
    wanted = {
        **(_WITH_BODY if "requestBody" in operation else {}),
        **(_ALWAYS if is_limited else {"414": _ALWAYS["414"], "431": _ALWAYS["431"]}),
    }
    if "security" in operation:
        wanted["401"] = "No valid token"
    if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
        wanted["409"] = "The cursor belongs to another list or another sort"
    for status, description in wanted.items():
        responses[status] = {"description": description}
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
