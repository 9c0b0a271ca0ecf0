"""This machine: whose turn it is to measure, where suites and profiles lie, which texts are secret."""
