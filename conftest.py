"""Fixtures of all suites, also for sessions that run none of them: `pytest --fixtures` shows them."""

from harness.pytest_plugin import FIXTURE_MODULES

pytest_plugins = list(FIXTURE_MODULES)
