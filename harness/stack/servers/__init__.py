"""Postgres, Valkey and the mail server as programs of this machine, and the data that a start finds prepared."""
