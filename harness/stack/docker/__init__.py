"""The backend `docker`: service and servers in containers."""
