"""Programs that other interpreters run for a check: the service's own Python, and Node."""
