"""This machine: who may measure, where suites and profiles lie, which texts are secret."""
