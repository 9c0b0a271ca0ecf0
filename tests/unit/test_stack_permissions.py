"""Which action may be done to which address: the table of the contract, cell by cell."""

from __future__ import annotations

import pytest

from harness.model import Service, StackInfo, Target
from harness.stack.permissions import Action, Permissions

ACTIONS: tuple[Action, ...] = ("read", "load", "write", "attack", "fault")
PROFILE = "profiles/t.toml"


def may(url: str, *hosts: str, owned: bool = False, active: bool = False) -> str:
    permissions = Permissions(owned=owned, allowed=hosts, active=active, profile=PROFILE)
    return " ".join(action for action in ACTIONS if permissions.refusal(action, url) is None)


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
        ("http://localhost.:1", (), False, "read load"),
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
    refusal = Permissions(owned=False, allowed=(), active=True, profile=PROFILE).refusal("load", "https://example.org")
    assert refusal is not None
    assert 'add to profiles/t.toml: [allow] hosts = ["example.org"]' in str(refusal)
    assert "--active" not in str(refusal)


def test_a_refusal_on_loopback_names_both_ways() -> None:
    refusal = Permissions(owned=False, allowed=(), active=False).refusal("write", "http://127.0.0.1:8000")
    assert refusal is not None
    assert '[allow] hosts = ["127.0.0.1"]' in str(refusal)
    assert "--active" in str(refusal)


def test_a_stack_behind_a_proxy_is_judged_by_where_its_service_is() -> None:
    info = StackInfo(
        name="n", backend="attach", target="t", url="http://127.0.0.1:1", owned=False, behind="https://example.org"
    )
    target = Target(name="t", source=PROFILE, service=Service())
    refusal = Permissions.on(info, target, active=True).refusal("load", info.service_url)
    assert refusal is not None
    assert (refusal.host, refusal.profile, refusal.active_helps) == ("example.org", PROFILE, False)
