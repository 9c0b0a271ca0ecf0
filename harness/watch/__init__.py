"""Watching a service after its release: what it answers, how fast that spends its error budgets, and who is told.

`windows`, `burn`, `alerts`, `figures` and `core` are pure: the time is an argument, and no file, thread or request is
theirs. `loop`, `rota` and `scout` ask the service, `state` and `delivery` keep and send.
"""
