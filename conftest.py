"""Fixtures of all suites, for `pytest suites/…` and for the gate alike."""

pytest_plugins = [
    "fixtures.http",
    "fixtures.description",
    "fixtures.stores",
    "fixtures.browser",
    "fixtures.faults",
    "fixtures.deals",
]
