"""All mistakes that can be made on the wire, by name, and whether a defect names one rightly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import make_dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from harness.config.toml_reader import TomlFile, nearest, read_toml
from harness.errors import ConfigError
from harness.probes import openapi
from harness.prove.model import Defect
from harness.prove.wire.operations import UNKNOWN_PATH
from harness.prove.wire.operators import (
    browser_policy,
    caching,
    headers,
    injection,
    json_operators,
    page,
    status,
    transfer,
)
from harness.prove.wire.operators.operator import ArgumentError, Mutation, Operator

__all__ = ["OPERATORS", "Mutation", "Operator", "facet_of", "mutation_of", "validate"]

OPERATORS: Mapping[str, Operator[Any]] = {
    one.name: one
    for one in (
        *status.OPERATORS,
        *headers.OPERATORS,
        *json_operators.OPERATORS,
        *browser_policy.OPERATORS,
        *injection.OPERATORS,
        *caching.OPERATORS,
        *transfer.OPERATORS,
        *page.OPERATORS,
    )
}

_FILE = "defect.toml"
_STATUS_GLOB = re.compile(r"\*|(?:[1-5]|\[[1-5]+\])(?:xx|[0-9?x]{2})")
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
    _check_where(defect, operator)


def _check_where(defect: Defect, operator: Operator[Any]) -> None:
    where = defect.where
    if where.operation != "*" and not _is_operation(where.operation):
        raise _error(defect, "where.operation", f"`GET /path` or a glob of it was expected, not {where.operation!r}")
    if not _STATUS_GLOB.fullmatch(where.status):
        raise _error(defect, "where.status", f"a status such as `404` or `4xx` was expected, not {where.status!r}")
    if where.content_type != "*" and "/" not in where.content_type:
        what = f"a media type such as `application/json` was expected, not {where.content_type!r}"
        raise _error(defect, "where.content_type", what)
    if operator.asks and (where.status, where.content_type) != ("*", "*"):
        what = f"{operator.name} changes requests, before there is an answer; `operation` alone can be given"
        raise _error(defect, "where", what)


def _is_operation(glob: str) -> bool:
    method, _, path = glob.partition(" ")
    return path.startswith(("/", "*", UNKNOWN_PATH)) and any(fnmatchcase(one, method) for one in METHODS)


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
        raise _error(defect, error.key, error.what) from None
    except ArgumentError as error:
        raise _error(defect, f"args.{error.argument}", error.what) from None


def _error(defect: Defect, key: str, what: str) -> ConfigError:
    path = defect.folder / _FILE
    # a drawn defect has no file
    line = read_toml(path).line(tuple(key.split("."))) if path.is_file() else None
    return ConfigError(what, path=path, line=line, key=key)
