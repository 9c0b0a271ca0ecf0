"""The options that select a target and its stack again."""

from __future__ import annotations

import pytest

from harness.config import generic_target
from harness.machine.bundle import root
from harness.model import Service, Target
from harness.stack.selection import TargetSelection

URL = "http://127.0.0.1:8000"
OWN = Target(name="shop", source="/home/me/a b/shop.toml", service=Service(command=("serve",)))
ATTACHED = Target(name="shop", source="/home/me/shop.toml", service=Service(url=URL))
OURS = Target(name="deals", source=str(root().resolve() / "profiles" / "deals.toml"), service=Service(command=("x",)))


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (TargetSelection(target=OWN, backend="embedded"), ("--target", OWN.source, "--stack", "embedded")),
        (TargetSelection(target=OURS, backend="docker"), ("--target", "deals", "--stack", "docker")),
        (TargetSelection(target=generic_target(URL), backend="attach", url=URL), ("--url", URL)),
        (TargetSelection(target=OWN, backend="attach", url=URL), ("--target", OWN.source, "--url", URL)),
        (TargetSelection(target=ATTACHED, backend="attach", url=URL), ("--target", ATTACHED.source)),
        (TargetSelection(target=OWN, backend="attach", name="mine"), ("--stack", "attach", "--name", "mine")),
    ],
)
def test_the_words_select_the_same(selection, words):
    assert selection.words == words


def test_a_run_does_not_keep_what_a_setting_was_changed_to():
    selection = TargetSelection(target=OWN, backend="embedded", overrides={"WORD": "whispered"}, instances=3, tls=True)
    assert "whispered" not in " ".join([*selection.words, *selection.start_words])
    assert selection.start_words == ("--instances", "3", "--tls")
