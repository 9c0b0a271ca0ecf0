"""Runs suites as pytest processes on a stack: finds them, runs their phases, keeps what they leave."""
