"""The readiness page: one file that a release manager reads from top to bottom."""
