"""What a release demands, and what is waived of it."""

from harness.policy.document import policy_document, policy_from_document, waivers_document, waivers_from_document
from harness.policy.load import load_policy
from harness.policy.selects import check_selects
from harness.policy.waivers import load_waivers

__all__ = [
    "check_selects",
    "load_policy",
    "load_waivers",
    "policy_document",
    "policy_from_document",
    "waivers_document",
    "waivers_from_document",
]
