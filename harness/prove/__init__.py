"""Proof that the gate can say no: seeded defects, and what became of each."""
