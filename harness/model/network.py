"""What a request says by itself: whom it names, this machine or somebody else, and whether its method only reads."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "QUERY", "TRACE"})
"""Methods that only read (RFC 9110, 9.2.1; RFC draft httpbis-safe-method-w-body of QUERY)."""
_MOST_PARTS = 4
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


def is_loopback(url: str) -> bool:
    """Whether a URL's host names this machine by `localhost` or a loopback address; no name is looked up."""
    try:
        return is_loopback_host(urlsplit(url).hostname or "")
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """The same of a host alone, without brackets.

    An address is read as clients read it: `127.1`, `0x7f000001` and `2130706433` are 127.0.0.1.
    """
    name = host.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = read_address(name)
    if isinstance(address, ipaddress.IPv6Address):
        return (address.ipv4_mapped or address).is_loopback
    return address is not None and address.is_loopback


def read_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a URL's host is, without brackets; None for a name, and for what is neither.

    IPv4 in all forms of inet_aton(3), which the URL standard has too: one to four numbers, each decimal, octal (`0177`)
    or hexadecimal (`0x7f`), the last one filling what is left.
    """
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host)
        except ValueError:
            return None
    numbers = [_read_number(part) for part in host.split(".")]
    *first, last = numbers
    if len(numbers) > _MOST_PARTS or last is None:
        return None
    room = 8 * (_MOST_PARTS - len(first))
    value = last
    if last >= 1 << room:
        return None
    for place, number in enumerate(first):
        if number is None or number > 255:
            return None
        value += number << (24 - 8 * place)
    return ipaddress.IPv4Address(value)


def _read_number(text: str) -> int | None:
    if not _NUMBER.fullmatch(text):
        return None
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    if text[0] != "0":
        return int(text)
    return int(text, 8) if all(digit in "01234567" for digit in text) else None
