"""What a command does: the gate, suites alone, load, preflight; each opens a run, fills it and seals it."""
