"""Lies in what is demanded: a policy that could never say no, and a waiver that is not for what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from harness.prove.gate_lies.scene import Lie
from harness.prove.gate_lies.small_gate import POLICY, SOUND, gated, profile
from harness.prove.gate_lies.small_run import failed, judged, passed

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
_WAIVER = """\
schema = 1
[[waiver]]
criterion = "{criterion}"
owner = "jane.doe@example.org"
reason = "Two internal reports use the slow path; the index lands with the next release."
expires = {expires}
"""
TWO_CRITERIA = (
    POLICY
    + """
[[criterion]]
id = "other"
area = "e2e"
select = { check = "other.*" }
"""
)


def waivers(criterion: str, *, days: int = 30, target: str = "") -> str:
    """The file's text; its waiver ends `days` from today, and is for that target alone if one is named."""
    expires = datetime.now(UTC).date() + timedelta(days=days)
    text = _WAIVER.format(criterion=criterion, expires=expires.isoformat())
    return f'{text}target = "{target}"\n' if target else text


def demanding(line: str) -> str:
    """The policy with one more line in its criterion."""
    return POLICY + f"{line}\n"


def with_another_suite(path: str) -> dict[str, str]:
    """A second suite, which asks for that path."""
    two = profile().replace('paths = ["own"]', 'paths = ["own", "other"]')
    return {"small.toml": two, "other/test_other.py": FAILING.format(path=path)}


LINES = (failed(), passed("other.answers"))
IN_FORCE = judged(*LINES, policy=TWO_CRITERIA, waivers=lambda: waivers("own"))

LIES: Mapping[str, Lie] = {
    "no-policy-file": Lie(told=gated("--policy", "polcy.toml"), honest=SOUND),
    "policy-without-criteria": Lie(told=gated(policy="schema = 1\n"), honest=SOUND),
    "nothing-required": Lie(told=gated(policy=demanding("required = false")), honest=SOUND),
    "criterion-of-no-check": Lie(
        told=gated(policy=POLICY.replace("own.*", "own.anwsers")),
        honest=gated(policy=POLICY.replace("own.*", "own.answers")),
    ),
    "criterion-unmatched": Lie(
        told=gated(policy=POLICY.replace('"own.*"', '"own.*", subject = "/search"')),
        honest=gated(policy=POLICY.replace('"own.*"', '"own.*", subject = "/item"')),
    ),
    "policy-of-another-target": Lie(
        told=gated(policy=demanding('target = "shop"')), honest=gated(policy=demanding('target = "small"'))
    ),
    "nothing-applicable": Lie(
        told=gated(suite=MAIL, policy=demanding('needs = "mail"')),
        honest=gated(suite=MAIL, policy=demanding('needs = "mail"'), files={"small.toml": profile(present="mail")}),
    ),
    "suite-left-out": Lie(
        told=gated("--without", "other", files=with_another_suite("gone")),
        honest=gated(files=with_another_suite("other")),
    ),
    "waiver-on-startup": Lie(
        told=gated("--env", "HOW=dead", files={"waivers.toml": lambda: waivers("startup")}),
        honest=gated(files={"waivers.toml": lambda: waivers("own")}),
    ),
    "waiver-of-everything": Lie(
        told=gated("--env", "HOW=broken", files={"waivers.toml": lambda: waivers("*")}),
        honest=gated("--env", "HOW=broken", files={"waivers.toml": lambda: waivers("own")}),
    ),
    "waiver-expired": Lie(
        told=judged(*LINES, policy=TWO_CRITERIA, waivers=lambda: waivers("own", days=-1)), honest=IN_FORCE
    ),
    "waiver-for-years": Lie(
        told=judged(*LINES, policy=TWO_CRITERIA, waivers=lambda: waivers("own", days=365)), honest=IN_FORCE
    ),
    "waiver-of-another-criterion": Lie(
        told=judged(*LINES, policy=TWO_CRITERIA, waivers=lambda: waivers("other")), honest=IN_FORCE
    ),
    "waiver-of-another-target": Lie(
        told=judged(*LINES, policy=TWO_CRITERIA, waivers=lambda: waivers("own", target="shop")), honest=IN_FORCE
    ),
}
