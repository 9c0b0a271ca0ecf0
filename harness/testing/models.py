"""A model of the service, walked through beside it: `harness.probes.walks` says how (docs/suites.md)."""

from harness.probes.walks import ModelError, ModelWalk, WalkCount, WalkPlan, step, walk_model

__all__ = ["ModelError", "ModelWalk", "WalkCount", "WalkPlan", "step", "walk_model"]
