"""Allure's results: labelled by the marker that names the check, and as all files of a run are without secrets and
bounded.

Allure itself is loaded only where its results are written.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.machine.encodable import encodable, encodable_data
from harness.machine.foreign_text import kept, kept_data
from harness.machine.redaction import Redactor
from harness.model import Target
from harness.pytest_plugin.markers import check_mark, suite_of
from harness.run import replace_file

_MOST_BYTES = 2_000_000
"""Of an attachment that is no text, such as a picture."""
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
    dynamic.feature(suite_of(item.path, item.config))
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


def _held(data: bytes) -> bytes:
    if len(data) <= _MOST_BYTES:
        return data
    return f"left out: an attachment of {len(data):,} bytes; the report is one file, and holds {_MOST_BYTES:,}".encode()


def keep_secrets_out(redact: Redactor) -> Callable[[], None]:
    """Let Allure's plugin, which is not configured yet, make its logger of ours; returns what undoes it."""
    import allure_commons
    from allure_commons.logger import AllureFileLogger
    from allure_pytest import plugin, utils
    from attr import asdict

    class CleanFileLogger(AllureFileLogger):
        """Writes what Allure's own logger writes, after the redactor has seen it."""

        def _report_item(self, item: Any) -> None:  # noqa: ANN401 - any of Allure's attrs classes
            members = asdict(item, filter=lambda _, value: value or value is False)
            path = self._report_dir / item.file_pattern.format(prefix=uuid.uuid4())
            replace_file(path, msgspec.json.encode(kept_data(encodable_data(redact.data(members)))))

        @allure_commons.hookimpl
        def report_attached_data(self, body: str | bytes, file_name: str) -> None:
            """An attachment; one that is no text stays as it is, unless no page could hold it."""
            data = encodable(body).encode() if isinstance(body, str) else body
            try:
                data = kept(redact(data.decode())).encode()
            except UnicodeDecodeError:
                data = _held(data)
            replace_file(self._report_dir / file_name, data)

        @allure_commons.hookimpl
        def report_attached_file(self, source: str, file_name: str) -> None:
            """A file, as if its content were attached."""
            self.report_attached_data(Path(source).read_bytes(), file_name)

    original, digest = plugin.AllureFileLogger, utils.md5

    def undo() -> None:
        plugin.AllureFileLogger, utils.md5 = original, digest

    plugin.AllureFileLogger = CleanFileLogger
    # a parameter's value is hashed, too: one that no encoding has would end the test's teardown
    utils.md5 = lambda *words: digest(*(encodable(word) if isinstance(word, str) else word for word in words))
    return undo
