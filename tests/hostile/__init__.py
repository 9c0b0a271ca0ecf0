"""Targets that are made to hurt."""
