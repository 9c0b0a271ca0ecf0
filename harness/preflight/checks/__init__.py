"""The readiness checks, a module for each subject."""
