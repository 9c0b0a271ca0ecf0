"""Headers on their way through a proxy: which stay behind, what length a message has, how a head looks."""

from __future__ import annotations

from http import HTTPStatus

from harness.proxy.exchange import Headers

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
"""RFC 9110, 7.6.1: for one connection only."""
_WIRE = "latin-1"
"""Headers are bytes; this gives each byte its character and back."""


def end_to_end(raw: list[tuple[bytes, bytes]]) -> Headers:
    """Headers as text, in their order and case, without those of one connection and those that `Connection` names."""
    pairs = [(name.decode(_WIRE), value.decode(_WIRE)) for name, value in raw]
    named = {word.strip().lower() for name, value in pairs if name.lower() == "connection" for word in value.split(",")}
    return tuple(pair for pair in pairs if pair[0].lower() not in _HOP_BY_HOP | named)


def says_length(raw: list[tuple[bytes, bytes]]) -> bool:
    """Whether a message announces a body, be it an empty one."""
    return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in raw)


def with_length(headers: Headers, length: int) -> Headers:
    """The same headers with that `Content-Length`, once: where it was, else as the last one."""
    kept: list[tuple[str, str]] = []
    told = False
    for name, value in headers:
        if name.lower() != "content-length":
            kept.append((name, value))
        elif not told:
            kept.append((name, str(length)))
            told = True
    return tuple(kept) if told else (*kept, ("Content-Length", str(length)))


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """The bytes of each name and value. Raises UnicodeEncodeError for a character that no header can hold."""
    return [(name.encode(_WIRE), value.encode(_WIRE)) for name, value in headers]


def head(first_line: bytes, headers: Headers) -> bytes:
    """A message's head, its headers in the order given."""
    lines = [first_line, *(name + b": " + value for name, value in encoded(headers))]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def status_line(status: int, version: str = "1.1") -> bytes:
    """An answer's first line, with the phrase of RFC 9110."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/{version} {status} {phrase}".encode("ascii")
