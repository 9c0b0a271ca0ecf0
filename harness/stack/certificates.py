"""A throw-away authority for one stack: a certificate for this machine, from a key that nobody keeps."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StackError
from harness.machine.bundle import in_checkout
from harness.stack.ports import HOST
from harness.stack.supervisor.registry import make_private

NAMES = (HOST, "localhost")
"""What a stack's certificate vouches for.

The stack says 127.0.0.1: a name gains nothing, since Chromium (153) keeps Secure and `__Host-` cookies of both, and
remembers HSTS of neither (RFC 6797, 8.1.1, forbids it for addresses).
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """Who vouches for a stack's proxy."""

    ca_file: Path
    """The authority's certificate, PEM."""
    server_file: Path
    """The proxy's certificate and key, PEM."""
    key_pin: str
    """Base64 of the SHA-256 of the proxy's public key (SubjectPublicKeyInfo), as browsers and RFC 7469 have it."""


def check_tls() -> None:
    """Raises StackError, with the command that mends it, where no certificate can be made here."""
    if importlib.util.find_spec("trustme") is None:
        mend = "make setup" if in_checkout() else "pip install 'harness[tls]'"
        raise StackError(f"--tls needs trustme, which is not installed; {mend}")


def make_authority(folder: Path, mark: str) -> Authority:
    """Make a certificate under `folder`. Both names bear the stack's mark: what somebody read of them stays true.

    The authority's own key is written nowhere, so that nothing else can ever be signed with it.
    """
    import trustme

    make_private(folder)
    authority = trustme.CA()
    issued = authority.issue_cert(*NAMES)
    found = Authority(folder / f"ca-{mark}.pem", folder / f"server-{mark}.pem", _pin(issued.cert_chain_pems[0].bytes()))
    found.ca_file.write_bytes(authority.cert_pem.bytes())
    found.server_file.touch(mode=0o600)
    found.server_file.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    return found


def _pin(pem: bytes) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(pem).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(info).digest()).decode("ascii")
