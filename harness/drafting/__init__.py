"""A first profile for a service that nobody described yet: what its answers to plain reads show, and what they hint."""

from harness.drafting.draft import Draft, draft_profile
from harness.drafting.parts import Key, Part
from harness.drafting.reader import Reader, service_address

__all__ = ["Draft", "Key", "Part", "Reader", "draft_profile", "service_address"]
