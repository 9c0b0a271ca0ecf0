"""Epic, feature and severity in Allure, from the same marker that names the check (DESIGN 4.5)."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model import Target
from harness.pytest_plugin.evidence import check_mark, suite_of

_SEVERITY = {"high": "critical"}
"""Our words that Allure does not know."""


def _active(item: pytest.Item) -> bool:
    return bool(item.config.getoption("allure_report_dir", None))


def label(item: pytest.Item, target: Target) -> None:
    """Label the running test, where Allure results are written."""
    if not _active(item):
        return
    import allure

    dynamic: Any = allure.dynamic
    mark = check_mark(item)
    dynamic.epic(target.name)
    dynamic.feature(suite_of(item.path))
    dynamic.story(mark.check)
    dynamic.severity(_SEVERITY.get(mark.severity, mark.severity))
    if mark.source:
        dynamic.description(f"Source: {mark.source}")


def attach(item: pytest.Item, curl: str) -> None:
    """Keep the last requests of a failed test beside it."""
    if not _active(item):
        return
    import allure

    allure.attach(curl, name="requests to repeat", attachment_type=allure.attachment_type.TEXT)
