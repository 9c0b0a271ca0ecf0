"""The readiness page: one file that a release manager reads from top to bottom."""

from harness.report.html.page import write_page

__all__ = ["write_page"]
