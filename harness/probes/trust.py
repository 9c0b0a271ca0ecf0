"""Whom our clients believe over TLS."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import socket
import ssl
from urllib.parse import urlsplit

import httpx

from harness.probes.reach import place_of

_NAMED_BY = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_ANSWERS_WITHIN_S = 10.0


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


def verified_pin(url: str) -> str:
    """The pin of the key that the server at an https URL has, if its certificate verifies; else "".

    Authorities that SSL_CERT_FILE names are ours and no browser's: what we verified by them a browser may believe, that
    one key and no other. Where the environment names none, or the certificate does not verify, browsers judge alone.
    """
    place = place_of(url)
    if not url.startswith("https:") or place is None or not any(os.environ.get(name) for name in _NAMED_BY):
        return ""
    try:
        with (
            socket.create_connection(place, _ANSWERS_WITHIN_S) as plain,
            trusted().wrap_socket(plain, server_hostname=urlsplit(url).hostname) as secured,
        ):
            certificate = secured.getpeercert(binary_form=True)
    except OSError:
        # what is wrong with the certificate the browser says itself, to every test that opens a page
        return ""
    return key_pin(certificate) if certificate else ""


def key_pin(certificate: bytes) -> str:
    """Base64 of the SHA-256 of a certificate's public key, as browsers and RFC 7469 have it."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_der_x509_certificate(certificate).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(info).digest()).decode("ascii")
