"""What people write: a profile of the service, a policy of what a release demands, and waivers."""

from harness.config.policy_checks import check_selects
from harness.config.policy_load import load_policy, policy_document, policy_from_document, policy_of
from harness.config.profile_load import (
    generic_target,
    in_file_shape,
    load_target,
    target_document,
    target_from_document,
)
from harness.config.waivers import load_waivers, waivers_document, waivers_from_document

__all__ = [
    "check_selects",
    "generic_target",
    "in_file_shape",
    "load_policy",
    "load_target",
    "load_waivers",
    "policy_document",
    "policy_from_document",
    "policy_of",
    "target_document",
    "target_from_document",
    "waivers_document",
    "waivers_from_document",
]
