"""All mistakes that can be made on the wire, by name, and whether a defect names one rightly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, make_dataclass
from fnmatch import fnmatchcase
from random import Random
from types import MappingProxyType
from typing import Any

from harness.config.toml_reader import TomlFile, nearest, read_toml
from harness.errors import ConfigError
from harness.probes import openapi
from harness.prove.model import Defect
from harness.prove.wire.operations import UNKNOWN_PATH
from harness.prove.wire.operators import (
    arrays,
    body,
    caching,
    cookies,
    cors,
    headers,
    latency,
    limits,
    objects,
    page,
    replay,
    security,
    status,
    values,
)
from harness.prove.wire.operators.operator import Mutation, Operator

__all__ = ["LITERATURE", "OPERATORS", "Mutation", "Operator", "facet_of", "mutation_of", "validate"]

_MODULES = (
    status,
    headers,
    arrays,
    objects,
    values,
    security,
    cors,
    cookies,
    caching,
    replay,
    body,
    page,
    limits,
    latency,
)
OPERATORS: Mapping[str, Operator[Any]] = MappingProxyType(
    {one.name: one for module in _MODULES for one in module.OPERATORS}
)
LITERATURE = tuple(name for name, one in OPERATORS.items() if one.source.startswith("HTTPMutator"))
"""The 23 of HTTPMutator."""

_FILE = "defect.toml"
METHODS = tuple(method.upper() for method in openapi.METHODS)
"""Methods that a defect's operation may name: those of OpenAPI."""


def validate(defect: Defect) -> None:
    """Are operator, `where` and `args` of a wire defect such that a mutation can be made of them?

    Raises ConfigError with file, key and what was expected.
    """
    operator = OPERATORS.get(defect.operator)
    if operator is None:
        raise _error(defect, "operator", f"unknown operator {defect.operator!r}; {nearest(defect.operator, OPERATORS)}")
    _args(defect, operator)
    where = defect.where
    method, _, path = where.operation.partition(" ")
    if where.operation != "*" and not (
        path.startswith(("/", "*", UNKNOWN_PATH)) and any(fnmatchcase(one, method) for one in METHODS)
    ):
        raise _error(defect, "where.operation", f"`GET /path` or a glob of it was expected, not {where.operation!r}")
    if not re.fullmatch(r"\*|(?:[1-5]|\[[1-5]+\])(?:xx|[0-9?x]{2})", where.status):
        raise _error(defect, "where.status", f"a status such as `404` or `4xx` was expected, not {where.status!r}")
    if where.content_type != "*" and "/" not in where.content_type:
        what = f"a media type such as `application/json` was expected, not {where.content_type!r}"
        raise _error(defect, "where.content_type", what)
    if operator.asks and (where.status, where.content_type) != ("*", "*"):
        what = f"{operator.name} changes requests, before there is an answer; `operation` alone can be given"
        raise _error(defect, "where", what)


def mutation_of(defect: Defect, chance: Random) -> Mutation:
    """A mutation of its own for that defect. Raises ConfigError as `validate` does."""
    validate(defect)
    operator = OPERATORS[defect.operator]
    mutation: Mutation = operator.make(_args(defect, operator), chance)
    return mutation


def facet_of(defect: Defect) -> str:
    """What the mutant changes, as `facets_of` names it; `status *` and the like for whatever is there.

    Raises ConfigError as `validate` does.
    """
    validate(defect)
    operator = OPERATORS[defect.operator]
    facet: str = operator.facet(_args(defect, operator))
    return f"status {defect.where.status}" if facet == "status *" else facet


def _args(defect: Defect, operator: Operator[Any]) -> Any:  # noqa: ANN401 - each operator has a type of its own
    """The arguments as the operator's type."""
    holder = make_dataclass("Args", [("args", operator.args)], frozen=True)
    written = TomlFile(path=defect.folder / _FILE, document={"args": dict(defect.args)}, lines={})
    try:
        return written.read(holder).args
    except ConfigError as error:
        raise _error(defect, error.key, str(error).split(f"{error.key}: ", 1)[1]) from None
    except ValueError as error:
        key = next(
            (f"args.{one.name}" for one in fields(operator.args) if str(error).startswith(f"{one.name}: ")), "args"
        )
        raise _error(defect, key, str(error).removeprefix(f"{key.removeprefix('args.')}: ")) from None


def _error(defect: Defect, key: str, what: str) -> ConfigError:
    path = defect.folder / _FILE
    # a drawn defect has no file
    line = read_toml(path).line(tuple(key.split("."))) if path.is_file() else None
    return ConfigError(what, path=path, line=line, key=key)
