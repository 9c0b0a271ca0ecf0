"""Whom our clients believe over TLS."""

from __future__ import annotations

import functools
import ssl

import httpx


@functools.cache
def trusted(ca_file: str = "") -> ssl.SSLContext:
    """What certificates are checked against, read once: it takes 20 ms, and each test has clients of its own.

    The machine's authorities (those of SSL_CERT_FILE where it is set), and that of `ca_file`: a stack's own, whose file
    has a name that no other stack ever has.
    """
    context = httpx.create_ssl_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
