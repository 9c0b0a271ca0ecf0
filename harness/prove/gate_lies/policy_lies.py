"""Lies in what is demanded: a policy that could never say no, or that speaks of something else."""

from __future__ import annotations

from harness.prove.gate_lies.registry import register
from harness.prove.gate_lies.small_gate import POLICY, SOUND, gated, profile
from harness.prove.gate_lies.waived import waivers

MAIL = """\
import pytest

@pytest.mark.check("own.mail")
def test_mail(client, target):
    if "mail" in target.absent:
        pytest.skip(target.absent["mail"])
    assert client.get("/item").status_code == 200
"""
FAILING = """\
import pytest

@pytest.mark.check("other.answers")
def test_other(client):
    assert client.get("/{path}").status_code == 200
"""


def demanding(line: str) -> str:
    """The policy with one more line in its criterion."""
    return POLICY + f"{line}\n"


def with_another_suite(path: str) -> dict[str, str]:
    """A second suite, which asks for that path."""
    two = profile().replace('paths = ["own"]', 'paths = ["own", "other"]')
    return {"small.toml": two, "other/test_other.py": FAILING.format(path=path)}


register("no-policy-file", told=gated("--policy", "polcy.toml"), honest=SOUND)
register("policy-without-criteria", told=gated(policy="schema = 1\n"), honest=SOUND)
register("nothing-required", told=gated(policy=demanding("required = false")), honest=SOUND)
register(
    "criterion-of-no-check",
    told=gated(policy=POLICY.replace("own.*", "own.anwsers")),
    honest=gated(policy=POLICY.replace("own.*", "own.answers")),
)
register(
    "criterion-unmatched",
    told=gated(policy=POLICY.replace('"own.*"', '"own.*", subject = "/search"')),
    honest=gated(policy=POLICY.replace('"own.*"', '"own.*", subject = "/item"')),
)
register(
    "policy-of-another-target",
    told=gated(policy=demanding('target = "shop"')),
    honest=gated(policy=demanding('target = "small"')),
)
register(
    "nothing-applicable",
    told=gated(suite=MAIL, policy=demanding('needs = "mail"')),
    honest=gated(suite=MAIL, policy=demanding('needs = "mail"'), files={"small.toml": profile(present="mail")}),
)
register(
    "suite-left-out",
    told=gated("--without", "other", files=with_another_suite("gone")),
    honest=gated(files=with_another_suite("other")),
)
register(
    "waiver-on-startup",
    told=gated("--env", "HOW=dead", files={"waivers.toml": lambda: waivers("startup")}),
    honest=gated(files={"waivers.toml": lambda: waivers("own")}),
)
register(
    "waiver-of-everything",
    told=gated("--env", "HOW=broken", files={"waivers.toml": lambda: waivers("*")}),
    honest=gated("--env", "HOW=broken", files={"waivers.toml": lambda: waivers("own")}),
)
