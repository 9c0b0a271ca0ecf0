"""Commands on servers that are made to hurt, drawn from a grammar of broken HTTP; `tests.hostile.fuzz` tries more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.fuzz import try_command
from tests.hostile.grammar import kinds
from tests.hostile.network import can_be_alone, lone_network

_SEED = 7
_COMMANDS = ("init", "preflight", "init", "preflight", "e2e")


@pytest.mark.parametrize("number", range(40))
def test_a_command_ends_in_time_and_says_what_it_found(number: int) -> None:
    tried = try_command(number, _SEED, _COMMANDS[number % len(_COMMANDS)])
    assert tried.problems == [], tried


@pytest.mark.parametrize("held_by", ["calls", "packets"])
def test_what_is_sent_elsewhere_is_told(tmp_path: Path, held_by: str) -> None:
    alone = held_by == "packets"
    if alone and not can_be_alone():
        pytest.skip("network namespaces are not to be had here")
    with lone_network(tmp_path, alone=alone) as network:
        program = """
import socket
for place in ("203.0.113.7", 443), ("127.0.0.3", 80), ("127.0.0.1", 80), ("198.51.100.1", 53):
    with socket.socket() as sent:
        sent.settimeout(0.2)
        sent.connect_ex(place)
for name in "stranger.test", "localhost":
    try:
        socket.getaddrinfo(name, 80)
    except OSError:
        pass
"""
        words = [*network.words, sys.executable, "-c", program]
        subprocess.run(words, env={**os.environ, **network.settings}, check=True)
        told = network.foreign()
    assert set(told) >= {
        "Connection to 203.0.113.7 port 443",
        "Connection to 127.0.0.3 port 80",
        "Connection to 198.51.100.1 port 53",
        "Question for stranger.test",
    }
    assert not [line for line in told if "127.0.0.1" in line or "localhost" in line]


def test_the_same_number_is_the_same_server() -> None:
    assert list(kinds(50, 3)) == list(kinds(50, 3))
    assert len(set(kinds(200))) > 100
