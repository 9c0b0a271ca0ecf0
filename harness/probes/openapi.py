"""A service's own description: its operations, and whether an answer is what the description says.

OpenAPI 3.0 and 3.1 as JSON. References are followed inside the document only: nothing is fetched from elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from harness.probes.openapi_servers import is_own_path, server_path

MAX_BYTES = 8 * 2**20
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_MOST_MISMATCHES = 10
_MOST_REFERENCES = 50
_ROOT = "urn:openapi"


class OpenApiError(ValueError):
    """The document cannot be used; the message names the place."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where an answer differs from its schema: a JSON path into the answer, and what was expected there."""

    at: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path."""

    method: str
    """In capitals."""
    path: str
    """From the service's address on: the server's own path, then the one that the document writes, with `{names}`."""
    operation_id: str
    required: tuple[str, ...]
    """Names of parameters that must be given, those of the path among them."""
    needs_login: bool
    has_body: bool
    statuses: tuple[str, ...]
    """Statuses described: "200", "4XX", "default"."""
    pointer: str
    """JSON pointer of the operation."""

    @property
    def is_safe(self) -> bool:
        """Does it only read (RFC 9110 9.2.1)?"""
        return self.method in ("GET", "HEAD", "OPTIONS")

    @property
    def name(self) -> str:
        """`GET /path`."""
        return f"{self.method} {self.path}"

    def is_open_below(self, path: str) -> bool:
        """Can anybody GET it with no more than one identifier right below that path: `/deals/{id}`, `/deals/{id}/x`?"""
        if not self.path.startswith(f"{path}/{{"):
            return False
        names = _names_in_path(self.path)
        return (
            (self.method, self.needs_login, self.required) == ("GET", False, tuple(names))
            and len(names) == 1
            and self.path.startswith(f"{path}/{{{names[0]}}}")
        )

    def path_for(self, identifier: object) -> str:
        """The path with that in place of its parameters."""
        return re.sub(r"\{[^/{}]*\}", lambda _: quote(str(identifier), safe=""), self.path)


class OpenApi:
    """A document that was read, and its operations. `url` is the address of the service that it was asked from."""

    def __init__(self, document: Mapping[str, Any], url: str = "") -> None:
        self.document = document
        self._url = url
        self.version = str(document["openapi"])
        self._schemas = _with_plain_schemas(document) if self.version.startswith("3.0") else document
        self.left_out: tuple[str, ...] = tuple(path for path in self._paths() if not is_own_path(path))
        """Paths of the document that lead elsewhere than to the service, or that no request can hold."""
        self.operations = tuple(self._operations())
        self._templated = tuple(each for each in self.operations if "{" in each.path)
        # the first one counts, where paths differ in their last slash alone
        self._plain = {
            (each.method, each.path.rstrip("/")): each for each in reversed(self.operations) if "{" not in each.path
        }

    def plain_gets(self) -> tuple[Operation, ...]:
        """GETs that anybody can send as they stand: no required parameter, no login."""
        return tuple(
            each for each in self.operations if each.method == "GET" and not each.required and not each.needs_login
        )

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that answers a concrete path; of several the one with the fewest parameters (3.1 4.8.8.2)."""
        asked = urlsplit(path).path.rstrip("/")
        plain = self._plain.get((method.upper(), asked))
        if plain is not None:
            return plain
        wanted = asked.split("/")
        fits = (each for each in self._templated if each.method == method.upper() and _fits(each.path, wanted))
        return min(fits, key=lambda each: each.path.count("{"), default=None)

    def response(self, operation: Operation, status: int) -> tuple[str, Mapping[str, Any]] | None:
        """Pointer and content of what is described for a status: itself, its class (`4XX`) or `default`."""
        responses = f"{operation.pointer}/responses"
        described = self._at(responses)
        for key in (str(status), f"{status // 100}XX", "default"):
            if isinstance(described, Mapping) and key in described:
                return self.resolve(f"{responses}/{_escape(key)}")
        return None

    def media_types(self, operation: Operation, status: int) -> tuple[str, ...] | None:
        """Media types described for a status; None if the status is not described at all."""
        found = self.response(operation, status)
        if found is None:
            return None
        content = found[1].get("content", {})
        return tuple(content) if isinstance(content, Mapping) else ()

    def mismatches(
        self, operation: Operation, status: int, media_type: str, body: object
    ) -> tuple[Mismatch, ...] | None:
        """Where a JSON body differs from the schema of its status and media type, at most ten places; None if the
        document has no schema for them.

        Raises `OpenApiError` if the schema itself cannot be used (a reference that leads nowhere, or in a circle).
        """
        found = self.response(operation, status)
        if found is None:
            return None
        pointer, response = found
        content = response.get("content", {})
        if not isinstance(content, Mapping):
            return None
        kind = next((key for key in content if key.split(";")[0].strip().lower() == media_type), None)
        described = content[kind] if kind is not None else None
        if not isinstance(described, Mapping) or "schema" not in described:
            return None
        return self._validate(f"{pointer}/content/{_escape(str(kind))}/schema", body)

    def _validate(self, pointer: str, body: object) -> tuple[Mismatch, ...]:
        import jsonschema  # type: ignore[import-untyped]
        import referencing
        import referencing.exceptions
        from referencing.jsonschema import DRAFT202012

        registry: referencing.Registry[Any] = referencing.Registry().with_resource(
            _ROOT, DRAFT202012.create_resource(self._schemas)
        )
        validator = jsonschema.Draft202012Validator(
            {"$ref": f"{_ROOT}#{quote(pointer, safe='/~!$&()*+,;=:@')}"},
            registry=registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        )
        try:
            found = [
                Mismatch(error.json_path, _short(error.message))
                for error, _ in zip(validator.iter_errors(body), range(_MOST_MISMATCHES), strict=False)
            ]
        except (
            referencing.exceptions.Unresolvable,
            jsonschema.exceptions.SchemaError,
            jsonschema.exceptions.UnknownType,
        ) as error:
            raise OpenApiError(f"{pointer}: the schema cannot be used ({_short(str(error))})") from error
        except RecursionError as error:
            raise OpenApiError(f"{pointer}: the schema refers to itself without end") from error
        except (TypeError, AttributeError, ValueError, LookupError, ArithmeticError, re.error) as error:
            # jsonschema trusts a schema's shape: `required: true` and its like end here
            raise OpenApiError(f"{pointer}: the schema is malformed ({_short(str(error))})") from error
        return tuple(found)

    def _paths(self) -> Mapping[str, Any]:
        paths = self.document.get("paths", {})
        if not isinstance(paths, Mapping):
            raise OpenApiError("/paths: an object was expected")
        return paths

    def _operations(self) -> Iterator[Operation]:
        for path in self._paths():
            if not is_own_path(path):
                continue
            pointer, item = self.resolve(f"/paths/{_escape(path)}")
            for method in METHODS:
                if isinstance(item.get(method), Mapping):
                    operation = self._operation(path, method, f"{pointer}/{method}", item)
                    # the path of a server stands before it, which is the document's word too
                    if is_own_path(operation.path):
                        yield operation

    def _operation(self, path: str, method: str, pointer: str, item: Mapping[str, Any]) -> Operation:
        described: Mapping[str, Any] = item[method]
        shared = item.get("parameters", [])
        own = described.get("parameters", [])
        parameters = [self._follow(each) for each in (*shared, *own)]
        required = [
            str(each.get("name")) for each in parameters if each.get("required") is True or each.get("in") == "path"
        ]
        security = described.get("security", self.document.get("security", []))
        return Operation(
            method=method.upper(),
            path=server_path(described, item, self.document, url=self._url) + path,
            operation_id=str(described.get("operationId", "")),
            required=tuple(dict.fromkeys([*required, *_names_in_path(path)])),
            needs_login=bool(security) and {} not in security,
            has_body="requestBody" in described,
            statuses=tuple(str(status) for status in described.get("responses", {})),
            pointer=pointer,
        )

    def _follow(self, node: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a part of somebody's document
        for _ in range(_MOST_REFERENCES):
            if not isinstance(node, Mapping):
                raise OpenApiError(f"an object was expected, not {_short(repr(node))}")
            if "$ref" not in node:
                return node
            node = self._at(_local(node["$ref"]))
        raise OpenApiError("a reference leads in a circle")

    def resolve(self, pointer: str) -> tuple[str, Mapping[str, Any]]:
        """The node at a pointer, references followed, and the pointer that was reached in the end.

        Raises `OpenApiError` if there is no object.
        """
        for _ in range(_MOST_REFERENCES):
            node = self._at(pointer)
            if not isinstance(node, Mapping):
                raise OpenApiError(f"{pointer}: an object was expected")
            if "$ref" not in node:
                return pointer, node
            pointer = _local(node["$ref"])
        raise OpenApiError(f"{pointer}: a reference leads in a circle")

    def _at(self, pointer: str) -> Any:  # noqa: ANN401 - a part of somebody's document
        node: Any = self.document
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(key)] if isinstance(node, list) else node[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise OpenApiError(f"{pointer}: there is nothing at {part!r}") from None
        return node


def load_document(data: bytes, url: str = "") -> OpenApi:
    """Read a document that was asked from the service at `url`.

    Raises `OpenApiError` in one line: no JSON, too long, another version, not an object.
    """
    if len(data) > MAX_BYTES:
        raise OpenApiError(f"the document is longer than {MAX_BYTES} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise OpenApiError(f"the document is no JSON ({_short(str(error))})") from error
    version = document.get("openapi") if isinstance(document, dict) else None
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
        found = f"openapi = {version!r}" if isinstance(document, dict) else "no object"
        raise OpenApiError(f"an OpenAPI 3.0 or 3.1 document was expected, found {found}")
    return describe(document, url)


def describe(document: Mapping[str, Any], url: str = "") -> OpenApi:
    """A document, whatever its version. Raises `OpenApiError` in one line if its shape is not OpenAPI's."""
    try:
        return OpenApi(document, url)
    except OpenApiError:
        raise
    except (AttributeError, TypeError, ValueError, LookupError, RecursionError) as error:
        raise OpenApiError(f"the document's shape is not OpenAPI's ({_short(str(error))})") from error


def _fits(template: str, wanted: list[str]) -> bool:
    parts = template.rstrip("/").split("/")
    return len(parts) == len(wanted) and all(
        own == other or (own.startswith("{") and own.endswith("}") and other != "")
        for own, other in zip(parts, wanted, strict=True)
    )


def _names_in_path(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{") and part.endswith("}")]


def _local(reference: object) -> str:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise OpenApiError(f"the reference {_short(repr(reference))} leads out of the document")
    return unquote(reference[1:])


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _with_plain_schemas(node: Any) -> Any:  # noqa: ANN401 - a part of somebody's document
    """A 3.0 document with its dialect's two own words put into JSON Schema's: `nullable`, and bounds as booleans."""
    if isinstance(node, list):
        return [_with_plain_schemas(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_plain_schemas(value) for key, value in node.items()}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(plain.get(exclusive), bool) and plain.pop(exclusive) and bound in plain:
            plain[exclusive] = plain.pop(bound)
    if plain.get("nullable") is True and isinstance(plain.get("type"), str):
        plain |= _nullable(plain)
    return plain


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    words: dict[str, Any] = {"type": [schema["type"], "null"]}
    values = schema.get("enum")
    if isinstance(values, list) and None not in values:
        words["enum"] = [*values, None]
    return words


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}…"
