"""Instruments: each takes measurements of a target and returns plain data; none knows of pass or fail."""
