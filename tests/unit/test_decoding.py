"""Only `harness.machine.decoding` decodes, and its readers are made where a module is imported."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

import harness
from harness.machine.decoding import Reader
from harness.model import Target

SOURCES = [path for path in Path(harness.__path__[0]).rglob("*.py") if path.name != "decoding.py"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(Path(harness.__path__[0]))))
def test_nothing_else_decodes_as_a_type(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        assert name not in {"msgspec.convert", "msgspec.json.Decoder"}, call.lineno
        assert name != "msgspec.json.decode" or not call.keywords, call.lineno
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
        made = [ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
        assert "Reader" not in made or "profile_draft" in source.parts or source.name == "init.py", function.name


@pytest.mark.parametrize("text", [b"[" * 200_000, b'{"name":' * 200_000, b'{"name": "\xff"}', b"{", b"[]"])
def test_any_text_is_a_decode_error_at_most(text):
    with pytest.raises(msgspec.DecodeError):
        Reader(Target).json(text)


def test_data_that_nests_without_end_is_an_error_at_most():
    nested: object = {}
    for _ in range(50_000):
        nested = {"service": nested}
    with pytest.raises(msgspec.ValidationError):
        Reader(Target).data(nested)
