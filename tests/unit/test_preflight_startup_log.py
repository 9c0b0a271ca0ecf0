"""Which lines of a log complain."""

from __future__ import annotations

import pytest

from harness.preflight.checks.startup_log import complaint


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"level": "warning", "message": "no cache"}', "warning: no cache"),
        ('{"levelname": "ERROR", "msg": "gone"}', "ERROR: gone"),
        ('{"severity":"CRITICAL","event":"gone"}', "CRITICAL: gone"),
        ('{"log": {"level": "error"}, "message": "ecs"}', "error: ecs"),
        ('{"level":40,"msg":"pino"}', "40: pino"),
        ("time=2026-01-31 level=warn msg=slow", "time=2026-01-31 level=warn msg=slow"),
        ("WARNING:  no workers", "WARNING: no workers"),
        ("2026-01-31 09:30:42 [warn] 1#1: no resolver", "2026-01-31 09:30:42 [warn] 1#1: no resolver"),
        ("\x1b[31mERROR\x1b[0m: gone", "ERROR: gone"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("app.py:3: DeprecationWarning: use the other", "app.py:3: DeprecationWarning: use the other"),
        ("(node:7) ExperimentalWarning: may change", "(node:7) ExperimentalWarning: may change"),
    ],
)
def test_a_complaint_is_told(line: str, said: str) -> None:
    assert complaint(line) == said


@pytest.mark.parametrize(
    "line",
    [
        "",
        '{"level": "info", "message": "WARNING is the level of the log"}',
        '{"level":30,"msg":"pino"}',
        '{"message": "no level"}',
        '{"level": true}',
        "level=info msg=ERROR",
        "INFO: GET /error 200",
        "INFO: log level is WARNING",
        "listening; 0 errors, 0 warnings",
        "ERROR_LOG is /dev/stderr",
        "{not JSON}",
    ],
)
def test_what_informs_does_not(line: str) -> None:
    assert complaint(line) is None


def test_a_long_line_is_cut() -> None:
    assert len(complaint("ERROR " + "x" * 1000)) == 160


def test_a_line_that_nests_without_end_is_read_as_text():
    assert complaint('{"level":' * 100_000 + " ERROR") is not None
    assert complaint('{"level":' * 100_000) is None
