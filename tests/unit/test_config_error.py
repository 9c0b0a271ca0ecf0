"""An error in a file that a person wrote: where, and what; the finding is there alone too."""

import pytest

from harness.errors import ConfigError


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("is missing", path="a.toml", line=3, key="x.y"), "a.toml:3: x.y: is missing"),
        (ConfigError("is missing: two, words", path="a.toml"), "a.toml: is missing: two, words"),
        (ConfigError("is missing", key="x"), "x: is missing"),
        (ConfigError("--only x: no such defect"), "--only x: no such defect"),
    ],
)
def test_the_message_says_where_and_the_finding_stands_alone(error, message):
    assert error.message == message
    assert message.endswith(error.what)
    assert "a.toml" not in error.what
