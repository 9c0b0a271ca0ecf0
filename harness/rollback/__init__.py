"""Moving a running stack back to an earlier release: settings, or the code over the same database.

`releases` and `schema` say what can be gone back to, `plan` what will be done, `journal` what was. `carry_out` does it,
`traffic` and `verify` watch, `rollback` puts them together, and `drill` plants what there is to roll back from.
"""

from harness.rollback.drill import DrillResult, run_drill, why_no_drill, why_no_releases
from harness.rollback.observations import DrillFigure, drill_figures, drill_observations
from harness.rollback.old_code import OldCode, try_old_code
from harness.rollback.plan import RollbackPlan, check_stack, make_plan
from harness.rollback.releases import fetch_code, named_release
from harness.rollback.rollback import RollbackResult, give_up, resume, roll_back, roll_on
from harness.rollback.traffic import RATE, Asked

__all__ = [
    "RATE",
    "Asked",
    "DrillFigure",
    "DrillResult",
    "OldCode",
    "RollbackPlan",
    "RollbackResult",
    "check_stack",
    "drill_figures",
    "drill_observations",
    "fetch_code",
    "give_up",
    "make_plan",
    "named_release",
    "resume",
    "roll_back",
    "roll_on",
    "run_drill",
    "try_old_code",
    "why_no_drill",
    "why_no_releases",
]
