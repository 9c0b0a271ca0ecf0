"""Bytes that may be a description: JSON, YAML, neither, or too much."""

from __future__ import annotations

import json

import pytest

from harness.probes.openapi_document import (
    MAX_BYTES,
    MAX_YAML_BYTES,
    OpenApiError,
    UnreadDocument,
    looks_like_document,
    read_document,
)

YAML = b"""\
openapi: 3.1.0
info: {title: t, version: 1.0}
paths:
  /x:
    get: &get
      parameters:
        - {name: on, in: query, schema: {type: string, enum: [on, off, no]}}
      responses:
        200: {description: ok}
  /y:
    get: *get
"""


def test_yaml_is_read_as_json_would_be() -> None:
    read = read_document(YAML)
    assert read.version == "3.1.0"
    assert read.content["paths"]["/y"] == read.content["paths"]["/x"]
    get = read.content["paths"]["/x"]["get"]
    assert get["parameters"][0]["schema"]["enum"] == ["on", "off", "no"]
    assert list(get["responses"]) == ["200"]
    json.dumps(read.content)


@pytest.mark.parametrize(
    ("data", "version"),
    [
        (b'{"openapi": "3.0.0"}', "3.0.0"),
        (b'{"openapi": "3.1"}', "3.1.0"),
        (b'{"openapi": "3.2.0"}', "3.2.0"),
        (b'{"openapi": "3.0.0-rc2"}', "3.0.0-rc2"),
        (b'{"swagger": "2.0"}', "2.0"),
        (b"swagger: 2.0\n", "2.0"),
        (b"openapi: 3.1\n", "3.1.0"),
        (b'"openapi": 3.0.3\n', "3.0.3"),
    ],
)
def test_versions(data: bytes, version: str) -> None:
    assert looks_like_document(data)
    assert read_document(data).version == version


def bomb(levels: int) -> bytes:
    lines = ["openapi: 3.0.3", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


def merge_bomb(levels: int) -> bytes:
    lines = ["openapi: 3.0.3", "a0: &a0 {k: x}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bomb(9), "nodes once its aliases are written out"),
        (merge_bomb(9), "nodes once its aliases are written out"),
        (b"openapi: 3.0.3\nx: &x [*x]\n", "leads to itself"),
        (b"openapi: 3.0.3\nx: &x {a: {b: *x}}\n", "leads to itself"),
        (b"openapi: 3.0.3\nx: " + b"[" * 900 + b"]" * 900, "nested too deep"),
        (b'{"openapi": "3.0.3", "x":' + b"[" * 100_000, "nested too deep"),
        (b"openapi: 3.0.3\n" + b"#" * MAX_YAML_BYTES, "YAML of more than"),
        (b" " * (MAX_BYTES + 1), "longer than"),
        (b'{"openapi": "4.0.0"}', "found openapi = '4.0.0'"),
        (b'{"openapi": 3}', "found openapi = 3"),
        (b'{"swagger": "1.2"}', "found swagger = '1.2'"),
    ],
)
def test_what_is_too_much_is_the_harnesss_own_limit(data: bytes, says: str) -> None:
    with pytest.raises(UnreadDocument, match=says):
        read_document(data)


def test_a_small_bomb_is_read() -> None:
    assert len(read_document(bomb(3)).content["a2"]) == 10
    assert read_document(merge_bomb(3)).content["a2"] == {"k": "x"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"info": {}}',
        b'{"openapi": "3.0.3", "x": NaN}',
        b'{"openapi": "3.0.3",',
        b"openapi: [3.0.3\n",
        b"openapi: 3.0.3\nx: !!python/object/apply:os.system [id]\n",
        b"openapi: 3.0.3\n? [a, b]\n: \xff\n",
        b"just text",
    ],
)
def test_what_is_none_is_the_services_fault(data: bytes) -> None:
    with pytest.raises(OpenApiError) as caught:
        read_document(data)
    assert not isinstance(caught.value, UnreadDocument)
    assert "\n" not in str(caught.value)
