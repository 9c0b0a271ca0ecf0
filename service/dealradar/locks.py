"""Locks that processes of this service share through PostgreSQL."""

# Whoever migrates or seeds holds this one and is alone. Unlike the lock table of the migration tool it goes away with
# the session of a process that was killed.
SCHEMA_LOCK = 7_304_119
