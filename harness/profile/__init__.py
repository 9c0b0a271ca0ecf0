"""The service under test, as a TOML file describes it."""

from harness.profile.document import target_document, target_from_document
from harness.profile.load import generic_target, load_target
from harness.profile.rules import profile_warnings

__all__ = ["generic_target", "load_target", "profile_warnings", "target_document", "target_from_document"]
