"""The program that is the parent of all servers of a stack, and the record of what it runs."""
