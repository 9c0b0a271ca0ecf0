"""The command line: one module a command; `main` lists them and is the only place that exits."""
