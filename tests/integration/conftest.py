"""What several modules of integration tests need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker_target import this_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """The Docker daemon of this machine."""
    with this_engine() as found:
        yield found
