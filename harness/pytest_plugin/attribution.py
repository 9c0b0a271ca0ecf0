"""Whose fault a failure is: the target's (`fail`) or ours (`error`) (docs/policy.md#whose-fault-a-failure-is)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.errors import HarnessError, StartupError
from harness.model import Outcome, StackInfo
from harness.probes.http import NotAsked, ServiceUnavailable
from harness.stack.ground import ground_problem

_OWN_TIMEOUT = re.compile(r"^Timeout \(>?\d")


def outcome_of(error: BaseException, info: StackInfo) -> tuple[Outcome, str]:
    """`fail` if the target is to blame, else `error`; and a reason where the message alone would not tell.

    `info` names the parts that must answer for a failure to be the target's.
    """
    if isinstance(error, StartupError):
        problem = ground_problem(info)
        why = "a copy of the service, or a worker, did not start"
        return (Outcome.ERROR, problem) if problem else (Outcome.FAIL, why)
    if isinstance(error, HarnessError):
        return Outcome.ERROR, "the harness failed"
    if isinstance(error, pytest.fail.Exception) and _OWN_TIMEOUT.match(str(error)):
        return Outcome.ERROR, "the test's own time-out"
    if isinstance(error, NotAsked):
        return Outcome.ERROR, error.what
    if isinstance(error, (ServiceUnavailable, AssertionError, pytest.fail.Exception)) or _is_browser_error(error):
        problem = ground_problem(info)
        return (Outcome.ERROR, problem) if problem else (Outcome.FAIL, "")
    return Outcome.ERROR, "the test itself crashed"


def without_servers(info: StackInfo) -> StackInfo:
    """The stack as a test that breaks it on purpose sees it: a dead server is what it is about, no excuse."""
    return replace(info, database_url=None, redis_url=None, smtp_url=None)


def _is_browser_error(error: BaseException) -> bool:
    """A page that did not load, or an element that never came; a browser that crashed is ours."""
    kind = type(error)
    if not kind.__module__.startswith("playwright."):
        return False
    return kind.__name__ == "TimeoutError" or any(sign in str(error) for sign in ("net::ERR_", "Download is starting"))
