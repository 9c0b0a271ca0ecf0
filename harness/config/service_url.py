"""Addresses of services as people give them, and what of one may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from harness.errors import UsageError

_AUTHORITY = re.compile(r"(?:[^/?#]*:)?[/\\]{2,}(?P<authority>[^/?#]*)")


def refuse_credentials(url: str, option: str = "") -> None:
    """Raise `UsageError` where a URL holds a user name or a password, without showing them.

    They would stand in every address that the run keeps, and a URL on a command line is read by every user of the
    machine.
    """
    found = _AUTHORITY.match(url)
    if "@" in (found["authority"] if found else url):
        raise UsageError(
            f"{option}the URL holds a user name or a password, which would end up in the run; leave it out, "
            "and give the account in the profile's [auth.roles] as {env.NAME}"
        )


def checked_url(url: str, option: str = "--url ") -> str:
    """The URL without a slash at its end. Raises `UsageError`, which names the option, for no http(s) service."""
    refuse_credentials(url, option)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{option}{url!r}: {error}; write http://HOST:PORT") from error
    is_text = url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not is_text:
        raise UsageError(f"{option}{url!r}: not an address of a service; write http://HOST:PORT or https://HOST")
    if parts.query or parts.fragment:
        # what stands there may be a key
        shown = re.split(r"[?#]", url)[0]
        raise UsageError(f"{option}{shown!r}: a base address has no query and no fragment; leave them out")
    return url.rstrip("/")
