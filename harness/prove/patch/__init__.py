"""Mistakes as patches: a copy of the sources with one patch applied, and a gate on it."""
