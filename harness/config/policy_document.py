"""Policy and waivers as kept in a run's folder (`policy.json`, `waivers.json`), there and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.errors import BrokenRunError
from harness.machine.decoding import Reader
from harness.model import Policy, Waiver

_POLICY = Reader(Policy)
_WAIVERS = Reader(tuple[Waiver, ...])


def policy_document(policy: Policy) -> dict[str, Any]:
    """The policy as JSON data."""
    document: dict[str, Any] = msgspec.to_builtins(policy)
    return document


def waivers_document(waivers: Sequence[Waiver]) -> dict[str, Any]:
    """The waivers as a JSON object."""
    return {"waivers": msgspec.to_builtins(list(waivers))}


def policy_from_document(document: Mapping[str, Any]) -> Policy:
    """The policy of a run. Raises `BrokenRunError` if the document is none."""
    try:
        return _POLICY.data(document)
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"policy.json: is not a policy as this harness writes it ({error})") from error


def waivers_from_document(document: Mapping[str, Any]) -> tuple[Waiver, ...]:
    """The waivers of a run. Raises `BrokenRunError` if the document holds none."""
    try:
        return _WAIVERS.data(document.get("waivers"))
    except msgspec.ValidationError as error:
        raise BrokenRunError(f"waivers.json: are not waivers as this harness writes them ({error})") from error
