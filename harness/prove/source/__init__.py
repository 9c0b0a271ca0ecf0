"""Mutants of the service's source, drawn at random: what would the suites make of a mistake that nobody planted?"""
