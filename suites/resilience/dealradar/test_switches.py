"""A switch is turned at one instance, while both run: the other one follows."""

import pytest

from harness.testing import eventually

pytestmark = [pytest.mark.breaks, pytest.mark.writes, pytest.mark.rig(instances=2, workers=0)]
SWITCH = "/api/admin/flags/feedback"
SECONDS = 5
"""The service's word is one; a busy machine has its time, too."""


@pytest.mark.check(
    "switches.followed",
    severity="high",
    source="service/README.md",
    subject="two instances",
    why="In an emergency an operator turns a switch, and believes that it is off: no instance is started again for it.",
    remedy="Read the switches anew after a second, in each process.",
)
def test_every_instance_follows_a_switch_without_a_restart(rig):
    here, there = rig.instances
    operator, user = rig.client(here, role="operator"), rig.client(there, role="user")
    path = f"/api/deals/{user.exchange('GET', '/api/deals?limit=1').json()['items'][0]['id']}/comments"

    def is_off() -> bool:
        return user.exchange("POST", path, json={"body": "seen from the other instance"}).status == 403

    assert not is_off()
    try:
        assert operator.exchange("PUT", SWITCH, json={"is_on": False}).status == 200
        eventually(is_off, "the other instance refuses what was switched off", seconds=SECONDS)
    finally:
        assert operator.exchange("PUT", SWITCH, json={"is_on": True}).status == 200
    eventually(lambda: not is_off(), "the other instance takes what was switched on again", seconds=SECONDS)
