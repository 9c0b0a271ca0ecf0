"""The markers of suites: what each says, and how it is read from a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.model import SEVERITIES, USUAL_SEVERITY
from harness.pytest_plugin.stash import context_of
from harness.runner.discovery import own_folders
from harness.runner.sources import check_of

MARKERS = (
    (
        'check(id, severity="normal", source="", subject="", why="", remedy=""): the check that a test proves, and its'
        " outcome is evidence of; why a failure matters, and what to do about it, a sentence each"
    ),
    "alone: measures time or disturbs others; runs with the machine to itself, in the gate on a stack of its own",
    "beside: waits more than it works; the gate runs it in a process beside the other tests",
    "writes: changes data of the target",
    "attacks: sends what an attacker would send, or much of it at once",
    "breaks: breaks something of the target or its stack on purpose",
    "rig(instances=1, workers=None, env={}): the stack that this module has for itself, to break it (fixture rig)",
)
"""As pytest registers them."""
_TOLD = ("severity", "source", "why", "remedy")
"""Words of `check` that stand in the evidence as they are."""


@dataclass(frozen=True, slots=True)
class CheckMark:
    """What `@pytest.mark.check` says of a test."""

    check: str
    subject: str
    severity: str = USUAL_SEVERITY
    source: str = ""
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigMark:
    """What `@pytest.mark.rig(…)` asks for. `workers` None: as many as the profile says."""

    instances: int = 1
    workers: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


_MARK = pytest.StashKey[CheckMark]()


def suite_of(path: Path, config: pytest.Config | None = None) -> str:
    """The suite a test file belongs to: the folder that the profile lists, the one under `suites/`, or its own."""
    listed = own_folders(context_of(config).target) if config is not None else ()
    own = next((folder.name for folder in listed if path.is_relative_to(folder)), None)
    if own is not None:
        return own
    parts = path.parts
    if "suites" in parts[:-1]:
        index = len(parts) - 1 - parts[::-1].index("suites")
        if index + 2 < len(parts):
            return parts[index + 1]
    return path.parent.name


def check_mark(item: pytest.Item) -> CheckMark:
    """What the marker says; a test without one proves something under its own name.

    Raises `pytest.UsageError` for a marker that is malformed.
    """
    if _MARK not in item.stash:
        item.stash[_MARK] = _read_mark(item)
    return item.stash[_MARK]


def _read_mark(item: pytest.Item) -> CheckMark:
    name = getattr(item, "originalname", None) or item.name
    parameters = _parameters(item)
    subject = " ".join(str(value) for value in parameters.values()) or name
    marker = item.get_closest_marker("check")
    if marker is None:
        return CheckMark(check=check_of(suite_of(item.path, item.config), name), subject=subject)
    words: dict[str, Any] = dict(marker.kwargs)
    _refuse_unknown(item, marker)
    return CheckMark(
        check=marker.args[0],
        subject=_filled(item, words.get("subject", ""), parameters) or subject,
        **{key: words[key] for key in _TOLD if key in words},
    )


def _refuse_unknown(item: pytest.Item, marker: pytest.Mark) -> None:
    words = marker.kwargs
    if len(marker.args) != 1 or not isinstance(marker.args[0], str) or not marker.args[0]:
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.check takes one check id, for example 'headers.hsts'")
    unknown = set(words) - {"subject", *_TOLD}
    if unknown or words.get("severity", USUAL_SEVERITY) not in SEVERITIES:
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.check knows subject, source, why, remedy and severity"
            f" ({', '.join(SEVERITIES)}),"
            f" not {sorted(unknown) or words['severity']!r}"
        )


def _filled(item: pytest.Item, template: str, parameters: Mapping[str, object]) -> str:
    try:
        return template.format(**parameters)
    except (LookupError, ValueError, AttributeError) as error:
        raise pytest.UsageError(
            f"{item.nodeid}: @pytest.mark.check: subject {template!r} does not fit the test's parameters"
            f" ({', '.join(parameters) or 'it has none'}): {error!r}"
        ) from error


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}
