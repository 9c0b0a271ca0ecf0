"""What all tests of the project share."""

import pytest
from hypothesis import settings

# the machine may be busy with other runs: no example has to be quick
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what the plugin that repeats tests leaves open in a process of `-n`: Python would warn of it at the end."""
    if hasattr(config, "workerinput") and hasattr(config, "failures_db"):
        config.failures_db.sock.close()
