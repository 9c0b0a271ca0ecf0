"""Who is asking: the client's address and whether it came over TLS, seen past the proxies that are trusted."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from starlette.types import Scope

from dealradar.settings import Network


@dataclass(frozen=True)
class Client:
    """The nearest hop that is not one of our proxies."""

    address: str
    is_secure: bool


def identify(scope: Scope, trusted: frozenset[Network]) -> Client:
    """Believe X-Forwarded-For and X-Forwarded-Proto only from a trusted peer.

    The address is the rightmost one that no trusted proxy has; what stands left of it was written by the client itself.
    """
    peer = scope["client"][0] if scope.get("client") else ""
    is_secure = scope["scheme"] == "https"
    if not trusted or not _is_trusted(peer, trusted):
        return Client(peer, is_secure)
    forwarded: list[str] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            forwarded.extend(hop.strip() for hop in value.decode("latin-1").split(","))
        elif name == b"x-forwarded-proto":
            is_secure = value.strip().lower() == b"https"
    address = peer
    for hop in reversed(forwarded):
        normal = _normal(hop)
        if normal is None:
            break
        address = normal
        if not _is_trusted(normal, trusted):
            break
    return Client(address, is_secure)


@lru_cache(maxsize=4_096)
def _normal(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


@lru_cache(maxsize=4_096)
def _is_trusted(text: str, trusted: frozenset[Network]) -> bool:
    normal = _normal(text)
    if normal is None:
        return False
    address = ipaddress.ip_address(normal)
    return any(address in network for network in trusted)
