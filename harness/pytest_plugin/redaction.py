"""Takes secrets out of what pytest tells of a test: its traceback, its captured output, its reason to be skipped."""

from __future__ import annotations

import pytest

from harness.machine.encodable import encodable, encodable_data
from harness.machine.redaction import Redactor


def clean_report(report: pytest.TestReport, config: pytest.Config, redact: Redactor) -> None:
    """Clean a report in place, before a terminal, a log or another process gets it."""
    report.sections = [(title, encodable(redact(text))) for title, text in report.sections]
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, encodable(redact(reason)))
        return
    if report.longrepr is None or encodable(redact(report.longreprtext)) == report.longreprtext:
        return
    # the way by which xdist sends reports: pytest's own, so that a traceback stays one
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    data = encodable_data(redact.data(data))
    clean: pytest.TestReport = config.hook.pytest_report_from_serializable(config=config, data=data)
    report.longrepr = clean.longrepr
