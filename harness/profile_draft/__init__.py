"""A first profile for a service that nobody described yet: what its answers to plain reads show, and what they hint."""

from harness.profile_draft.draft import Draft, draft_profile, target_at
from harness.profile_draft.parts import DraftKey, DraftTable
from harness.profile_draft.reader import DraftReader, service_address

__all__ = ["Draft", "DraftKey", "DraftReader", "DraftTable", "draft_profile", "service_address", "target_at"]
