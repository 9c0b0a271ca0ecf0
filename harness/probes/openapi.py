"""A service's own description, as schemathesis reads it: its operations, and whether an answer is what it describes.

References, parameters, security, media type ranges, `nullable`, `writeOnly` and the dialects of OpenAPI 3.0 to 3.2 and
Swagger 2.0 are schemathesis' business, JSON Schema that of `jsonschema_rs`. Ours is what neither serves:

- bytes that a stranger sent become a document that leads nowhere else (`openapi_document`);
- operations lie where this service has them, at the address that was given (`openapi_servers`), so that a path that was
  asked finds its operation;
- patterns and tuples stay as they were written: schemathesis narrows `\\p{L}` to Latin letters, and writes
  `prefixItems` as a draft had it that 3.1 does not use; `jsonschema_rs` knows both;
- what OpenAPI adds to the schema of an answer and neither says (`openapi_schema`);
- a mismatch is one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from harness.model.network import SAFE_METHODS
from harness.probes.acts import seems_to_act
from harness.probes.api.inputs import Body, Inputs, Parameter
from harness.probes.openapi_cost import TooMuchWork, check_work
from harness.probes.openapi_document import (
    MAX_BYTES,
    OUTSIDE,
    OpenApiError,
    PlainDocument,
    UnreadDocument,
    read_document,
    short,
)
from harness.probes.openapi_operation import Operation, Routes, names_in_path
from harness.probes.openapi_schema import FORMATS, as_answer, is_circle, renamed, takes_anything
from harness.probes.openapi_servers import is_own_path, server_path, servers_of_swagger

if TYPE_CHECKING:
    import jsonschema_rs
    from schemathesis.specs.openapi.adapter.responses import OpenApiResponse, OpenApiResponses
    from schemathesis.specs.openapi.schemas import OpenApiSchema

__all__ = [
    "MAX_BYTES",
    "METHODS",
    "Mismatch",
    "OpenApi",
    "OpenApiError",
    "Operation",
    "UnreadDocument",
    "load_document",
]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_MOST_MISMATCHES = 10
_HIDDEN = {"pattern": "x-written-pattern", "prefixItems": "x-written-prefixItems"}
"""Words of a schema that schemathesis rewrites for its generators, and `jsonschema_rs` knows as they are."""
_FOUND = {name: word for word, name in _HIDDEN.items()}
_OF_3_0 = {"nullable": "x-nullable-of-3.0"}
"""What later versions dropped, and schemathesis takes nevertheless."""
_GAVE_UP = ("backtrackLimitExceeded", "regexEngineFailure")
"""Kinds of error by which the validator says that it could not tell."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where an answer differs from its schema: a JSON path into the answer, and what was expected there."""

    at: str
    says: str


class OpenApi:
    """A document that was read, and its operations.

    `url` is the address of the service that it was asked from, `place` the path there. Operations for which
    `leaves_out(method, path)` holds are not among its operations, but in `excluded`. Raises `OpenApiError`.
    """

    def __init__(
        self,
        document: PlainDocument,
        url: str = "",
        place: str = "/",
        leaves_out: Callable[[str, str], bool] = lambda _method, _path: False,
    ) -> None:
        self.document = document
        self.version = document.version
        self._url = url
        self._place = place
        paths = _paths(document)
        self.unread: dict[str, str] = {}
        """Operations that the document describes in a way that cannot be read, and why."""
        self._validators: dict[tuple[str, int, str], tuple[Any, jsonschema_rs.Validator] | None] = {}
        with _reading("the document"):
            own_paths = {path: item for path, item in paths.items() if is_own_path(path)}
            self._schema = _schema_of({**document.content, "paths": own_paths}, document.version)
            operations = tuple(self._operations())
        own = [each for each in operations if is_own_path(each.path)]
        self.left_out = tuple(path for path in (*paths, *(each.path for each in operations)) if not is_own_path(path))
        """Paths of the document that lead elsewhere than to the service, or that no request can hold."""
        self.excluded = tuple(_excluded(own, leaves_out))
        self.operations = tuple(each for each in own if each.name not in self.excluded)
        self._routes = Routes(self.operations)

    def plain_gets(self) -> tuple[Operation, ...]:
        """GETs that anybody can send as they stand, and that seem to read: no required parameter, no login."""
        return tuple(
            each
            for each in self.operations
            if each.method == "GET" and not each.required and not each.needs_login and not each.acts
        )

    def find(self, method: str, path: str) -> Operation | None:
        """See `Routes.find`."""
        return self._routes.find(method, path)

    def media_types(self, operation: Operation, status: int) -> tuple[str, ...] | None:
        """Media types described for a status; None if the status is not described at all."""
        with _reading(operation.name):
            found = self._response(operation, status)
            if found is None:
                return None
            if not self.document.is_swagger:
                content = found.definition.get("content")
                return tuple(content) if isinstance(content, Mapping) else ()
            if "schema" not in found.definition:
                return ()
            raw = self._schema[operation.written][operation.method].definition.raw
            return tuple(map(str, raw.get("produces") or self.document.content.get("produces") or ()))

    def mismatches(
        self, operation: Operation, status: int, media_type: str, body: object
    ) -> tuple[Mismatch, ...] | None:
        """Where a JSON body differs from the schema of its status and media type, at most ten places; None if the
        document has no schema for them, or one that takes anything.

        Raises `UnreadDocument` if the schema cannot be used: a reference that leads nowhere or out of the document, a
        malformed word, a pattern that takes too long.
        """
        with _reading(f"{operation.name}, status {status}, {media_type}"):
            key = (operation.name, status, media_type)
            if key not in self._validators:
                self._validators[key] = self._validator(operation, status, media_type)
            held_to = self._validators[key]
            if held_to is None:
                return None
            schema, validator = held_to
            try:
                check_work(schema, body)
                found = [error for error, _ in zip(validator.iter_errors(body), range(_MOST_MISMATCHES), strict=False)]
            except TooMuchWork as error:
                raise UnreadDocument(f"{operation.name}: the schema branches too often to be held to") from error
            except UnicodeEncodeError:
                return (Mismatch("$", "half of a surrogate pair is no character (RFC 8259, 8.2)"),)
            if any(error.kind.name in _GAVE_UP for error in found):
                raise UnreadDocument(f"{operation.name}: a pattern of the schema takes too long")
            return tuple(Mismatch(_json_path(error.instance_path), _says(error, body)) for error in found)

    def inputs(self, operation: Operation) -> Inputs:
        """All that an operation takes, each schema with its references inside itself."""
        with _reading(operation.name):
            read = self._schema[operation.written][operation.method]
            raw = read.definition.raw
            return Inputs(
                parameters=tuple(
                    Parameter(
                        name=str(each.name),
                        where=str(each.location.value),
                        required=bool(each.is_required),
                        schema=each.raw_schema if isinstance(each.raw_schema, Mapping) else {},
                        example=each.definition.get("example"),
                    )
                    for each in read.iter_parameters()
                ),
                bodies=tuple(
                    Body(
                        media_type=_essence(str(each.media_type)),
                        schema=each.raw_schema if isinstance(each.raw_schema, Mapping) else {},
                        example=each.definition.get("example"),
                    )
                    for each in read.body
                ),
                words=" ".join(map(str, (raw.get("operationId", ""), raw.get("summary", ""), *raw.get("tags", ())))),
            )

    def request_schema(self, operation: Operation, media: str = "application/json") -> Mapping[str, Any] | None:
        """The schema of the body of that media type that an operation takes, its references inside itself."""
        with _reading(operation.name):
            bodies = self._schema[operation.written][operation.method].body
            found = next((each for each in bodies if _essence(str(each.media_type)) == media), None)
            schema = found.raw_schema if found is not None else None
            return schema if isinstance(schema, Mapping) else None

    def answer_schema(self, operation: Operation, status: int) -> Mapping[str, Any] | None:
        """The schema of the JSON body that an operation answers with, its references inside itself."""
        with _reading(operation.name):
            schema = self._answer_schema(operation, status, "application/json")
            return schema if isinstance(schema, Mapping) else None

    def _operations(self) -> Iterator[Operation]:
        from schemathesis.core.result import Err

        base = servers_of_swagger(self.document.content) if self.document.is_swagger else self.document.content
        items: dict[str, Mapping[str, Any]] = {}
        for result in self._schema.get_all_operations():
            if isinstance(result, Err):
                said = result.err()
                self.unread[f"{str(said.method or '*').upper()} {said.path}"] = _said(said)
                continue
            read = result.ok()
            if read.path not in items:
                items[read.path] = self._path_item(read.path)
            try:
                yield self._operation(read, items[read.path], base)
            except (AttributeError, TypeError, ValueError, LookupError) as why:
                self.unread[f"{read.method.upper()} {read.path}"] = _said(why)

    def _operation(self, read: Any, item: Mapping[str, Any], base: Mapping[str, Any]) -> Operation:  # noqa: ANN401 - a generic of four types
        from schemathesis.specs.openapi.adapter.security import effective_security_requirements

        raw = read.definition.raw
        security = effective_security_requirements(read, self.document.content)
        levels = (base,) if self.document.is_swagger else (raw, item, base)
        required = [str(each.name) for each in read.iter_parameters() if each.is_required]
        return Operation(
            method=read.method.upper(),
            path=server_path(*levels, url=self._url, place=self._place) + read.path,
            written=read.path,
            operation_id=str(raw.get("operationId", "")),
            required=tuple(dict.fromkeys([*required, *names_in_path(read.path)])),
            needs_login=bool(security) and {} not in security,
            has_body="requestBody" in raw or bool(read.body),
            statuses=tuple(read.responses.status_codes),
            acts=read.method.upper() in SAFE_METHODS and seems_to_act(read.path, raw),
        )

    def _path_item(self, path: str) -> Mapping[str, Any]:
        from schemathesis.core.jsonschema.resolver import resolve_reference

        item: Mapping[str, Any] = self._schema.raw_schema["paths"][path]
        return resolve_reference(self._schema.root_resolver, item["$ref"])[1] if "$ref" in item else item

    def _response(self, operation: Operation, status: int) -> OpenApiResponse | None:
        responses: OpenApiResponses = self._schema[operation.written][operation.method].responses
        return responses.find_by_status_code(status)

    def _answer_schema(self, operation: Operation, status: int, media_type: str) -> object:
        """The schema of an answer; None if there is none. Raises `UnreadDocument` for a reference that is followed."""
        found = self._response(operation, status)
        if found is None:
            return None
        kind: str | None = media_type
        if not self.document.is_swagger:
            kind = _described_as(media_type, found.definition.get("content"))
            if kind is None:
                return None
        resolved = found.get_schema(kind)
        if resolved.unresolvable_reference is not None:
            raise UnreadDocument(f"{operation.name}: {_lost(resolved.unresolvable_reference)}")
        return resolved.schema

    def _validator(
        self, operation: Operation, status: int, media_type: str
    ) -> tuple[Any, jsonschema_rs.Validator] | None:
        from schemathesis.core.jsonschema import FANCY_REGEX_OPTIONS, supplemental_formats

        written = renamed(self._answer_schema(operation, status, media_type), _FOUND)
        if takes_anything(written):
            return None
        if is_circle(written):
            raise UnreadDocument(f"{operation.name}: the schema refers to itself without end")
        draft = self._schema.adapter.jsonschema_validator_cls
        formats = {**FORMATS, **(supplemental_formats(draft) or {})}
        schema = as_answer(written)
        return schema, draft(schema, validate_formats=True, pattern_options=FANCY_REGEX_OPTIONS, formats=formats)


def _paths(document: PlainDocument) -> dict[str, Any]:
    paths = document.content.get("paths", {})
    if not isinstance(paths, Mapping):
        raise OpenApiError("/paths: an object was expected")
    return {path: item for path, item in paths.items() if not path.startswith("x-")}


def _excluded(operations: Iterable[Operation], leaves_out: Callable[[str, str], bool]) -> Iterator[str]:
    for each in operations:
        if leaves_out(each.method, each.path) or leaves_out(each.method, each.written):
            yield each.name


def load_document(
    data: bytes, url: str = "", place: str = "/", leaves_out: Callable[[str, str], bool] = lambda _method, _path: False
) -> OpenApi:
    """Read a document that was asked from the service at `url`, at the path `place`.

    Raises `OpenApiError` in one line: no JSON or YAML, too long, another version, not an object.
    """
    return OpenApi(read_document(data), url, place, leaves_out)


def _schema_of(document: dict[str, Any], version: str) -> OpenApiSchema:
    from schemathesis.config import SchemathesisConfig
    from schemathesis.openapi import from_dict

    # a configuration of our own, or the file of the folder that the harness is started in would be found; with an
    # address of ours servers are not looked at, and a malformed one spoils nothing
    config = SchemathesisConfig.from_dict(
        {"base-url": "http://127.0.0.1", "generation": {"with-security-parameters": False}}
    )
    hidden = _HIDDEN if version.startswith(("2.", "3.0")) else _HIDDEN | _OF_3_0
    return from_dict(renamed(document, hidden), config=config)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Whatever a library says of somebody's document, in one line."""
    try:
        yield
    except OpenApiError:
        raise
    except Exception as error:
        raise UnreadDocument(f"{what}: the description cannot be used ({_said(error)})") from error


def _said(error: Exception) -> str:
    return short(getattr(error, "message", error)) or type(error).__name__


def _described_as(media_type: str, content: object) -> str | None:
    """The key of a response's content that is meant for a media type: itself, or the narrowest range (4.8.14)."""
    from schemathesis.core import media_types
    from schemathesis.core.errors import MalformedMediaType

    wanted = _essence(media_type)
    found = []
    for key in content if isinstance(content, Mapping) else ():
        try:
            if media_types.matches(_essence(key), wanted):
                found.append(key)
        except MalformedMediaType:
            continue
    return min(found, key=lambda key: key.count("*"), default=None)


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _lost(reference: str) -> str:
    if reference.startswith(OUTSIDE):
        outside = reference.removeprefix(OUTSIDE).replace("~1", "/").replace("~0", "~")
        return f"the reference {short(repr(outside))} leads out of the document, and is not followed"
    return f"the reference {short(repr(unquote(reference)))} leads nowhere"


def _json_path(path: list[str | int]) -> str:
    return "$" + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" if part.isidentifier() else f"[{part!r}]" for part in path
    )


def _says(error: jsonschema_rs.ValidationError, body: object) -> str:
    kind, way = error.kind.name, error.schema_path
    if kind == "falseSchema" and way[-1:] == ["additionalProperties"]:
        return f"{_names_of(error, body)}: no such member is described, and no other is allowed"
    if kind in ("falseSchema", "not") and way[-3:-2] == ["properties"]:
        return "no answer may have this member: it is described as writeOnly, or by a schema that takes nothing"
    return short(error.message)


def _names_of(error: jsonschema_rs.ValidationError, body: object) -> str:
    """Names of the members that hold what was refused; the value itself may be a secret."""
    node: Any = body
    for part in error.instance_path:
        node = node[part]
    names = [name for name, value in node.items() if value == error.instance] if isinstance(node, dict) else []
    return ", ".join(short(repr(name)) for name in names[:_MOST_MISMATCHES]) or "a member"
