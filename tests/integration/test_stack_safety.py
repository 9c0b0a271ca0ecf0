"""Which action may be done to which address: the table of the contract, cell by cell."""

from __future__ import annotations

import pytest

from harness.model import AllowedHosts, Service, StackInfo, Target
from harness.stack.permissions import Action, allowed

ACTIONS: tuple[Action, ...] = ("read", "load", "write", "attack", "fault")


def info(url: str, *, owned: bool = False) -> StackInfo:
    return StackInfo(name="n", backend="attach", target="t", url=url, owned=owned)


def target(*hosts: str) -> Target:
    return Target(name="t", source="profiles/t.toml", service=Service(), allow=AllowedHosts(hosts=hosts))


def may(url: str, *hosts: str, owned: bool = False, active: bool = False) -> str:
    stack = info(url, owned=owned)
    return " ".join(action for action in ACTIONS if allowed(action, stack, target(*hosts), active) is None)


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://example.org"])
def test_a_stack_of_ours_takes_everything(url: str, *, active: bool) -> None:
    assert may(url, owned=True, active=active) == "read load write attack fault"


@pytest.mark.parametrize(
    ("url", "hosts", "active", "actions"),
    [
        ("http://127.0.0.1:1", (), False, "read load"),
        ("http://127.0.0.1:1", (), True, "read load write attack fault"),
        ("http://127.0.0.1:1", ("127.0.0.1",), False, "read load write attack fault"),
        ("http://localhost:1", ("127.0.0.1",), False, "read load"),
        ("https://example.org", (), False, "read"),
        ("https://example.org", (), True, "read"),
        ("https://example.org", ("example.org",), False, "read load write attack fault"),
        ("https://EXAMPLE.org:8443/x", ("Example.ORG",), False, "read load write attack fault"),
        ("https://example.org", ("www.example.org", "org"), True, "read"),
        ("https://example.org.evil.test", ("example.org",), True, "read"),
    ],
)
def test_a_foreign_service_takes_what_the_contract_says(
    url: str, hosts: tuple[str, ...], actions: str, *, active: bool
) -> None:
    assert may(url, *hosts, active=active) == actions


def test_a_refusal_names_the_line_to_add() -> None:
    said = allowed("load", info("https://example.org"), target(), active=True)
    assert said is not None
    assert 'add to profiles/t.toml: [allow] hosts = ["example.org"]' in said
    assert "--active" not in said


def test_a_refusal_on_loopback_names_both_ways() -> None:
    said = allowed("write", info("http://127.0.0.1:8000"), target(), active=False)
    assert said is not None
    assert '[allow] hosts = ["127.0.0.1"]' in said
    assert "--active" in said
