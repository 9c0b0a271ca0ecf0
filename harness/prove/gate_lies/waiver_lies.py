"""Lies in signatures: a waiver that is not, or no longer, for what went wrong."""

from __future__ import annotations

from harness.prove.gate_lies.registry import register
from harness.prove.gate_lies.small_gate import POLICY
from harness.prove.gate_lies.small_run import failed, judged, passed
from harness.prove.gate_lies.waived import waivers

TWO = (
    POLICY
    + """
[[criterion]]
id = "other"
area = "e2e"
select = { check = "other.*" }
"""
)
LINES = (failed(), passed("other.answers"))
IN_FORCE = judged(*LINES, policy=TWO, waivers=lambda: waivers("own"))

register("waiver-expired", told=judged(*LINES, policy=TWO, waivers=lambda: waivers("own", days=-1)), honest=IN_FORCE)
register("waiver-for-years", told=judged(*LINES, policy=TWO, waivers=lambda: waivers("own", days=365)), honest=IN_FORCE)
register(
    "waiver-of-another-criterion", told=judged(*LINES, policy=TWO, waivers=lambda: waivers("other")), honest=IN_FORCE
)
register(
    "waiver-of-another-target",
    told=judged(*LINES, policy=TWO, waivers=lambda: waivers("own", target="shop")),
    honest=IN_FORCE,
)
