"""Commands on servers that are made to hurt, drawn from a grammar of broken HTTP; `tests.hostile.fuzz` tries more."""

from __future__ import annotations

import pytest

from tests.hostile.fuzz import try_command
from tests.hostile.grammar import kinds

_SEED = 7
_COMMANDS = ("init", "preflight", "init", "preflight", "e2e")


@pytest.mark.parametrize("number", range(40))
def test_a_command_ends_in_time_and_says_what_it_found(number: int) -> None:
    tried = try_command(number, _SEED, _COMMANDS[number % len(_COMMANDS)])
    assert tried.problems == [], tried


def test_the_same_number_is_the_same_server() -> None:
    assert list(kinds(50, 3)) == list(kinds(50, 3))
    assert len(set(kinds(200))) > 100
