"""Ways back from a bad release: drills on a stack of their own, and old code on the schema of today."""

from harness.jobs.rollback import alarmed_drill as run_drill
from harness.rollback import DrillResult, OldCode, drill_figures, try_old_code, why_no_drill, why_no_releases

__all__ = ["DrillResult", "OldCode", "drill_figures", "run_drill", "try_old_code", "why_no_drill", "why_no_releases"]
