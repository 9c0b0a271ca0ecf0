"""Mistakes on the wire: a proxy before any service that changes its answers."""
