"""Allure's results without secrets: they are files of a run like all others (DESIGN 4.2)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import allure_commons
import msgspec
from allure_commons.logger import AllureFileLogger
from allure_pytest import plugin

from harness.machine.redaction import Redactor
from harness.run import replace_file


class CleanFileLogger(AllureFileLogger):
    """Writes what Allure's own logger writes, after the redactor has seen it."""

    def __init__(self, redact: Redactor, *options: Any) -> None:  # noqa: ANN401 - Allure's own arguments
        super().__init__(*options)  # type: ignore[no-untyped-call]  # Allure is untyped
        self._redact = redact

    def _report_item(self, item: Any) -> None:  # noqa: ANN401 - any of Allure's attrs classes
        from attr import asdict

        members = asdict(item, filter=lambda _, value: value or value is False)
        path = self._report_dir / item.file_pattern.format(prefix=uuid.uuid4())
        replace_file(path, msgspec.json.encode(self._redact.data(members)))

    @allure_commons.hookimpl
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        """An attachment; one that is no text stays as it is."""
        data = body.encode() if isinstance(body, str) else body
        with suppress(UnicodeDecodeError):
            data = self._redact(data.decode()).encode()
        replace_file(self._report_dir / file_name, data)


def keep_secrets_out(redact: Redactor) -> Callable[[], None]:
    """Let Allure's plugin, which is not configured yet, make its logger of ours; returns what undoes it."""
    original = plugin.AllureFileLogger
    plugin.AllureFileLogger = lambda *options: CleanFileLogger(redact, *options)
    return lambda: setattr(plugin, "AllureFileLogger", original)
