"""Content-Encoding taken off in small pieces (RFC 9110, 8.4): however much a few bytes stand for, no piece is large.

A decoder that gives all that a chunk holds at once makes gigabytes of a megabyte. Each step here gives at most
`PIECE_BYTES`, and the reader may stop between any two.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any

PIECE_BYTES = 64 * 1024
MOST_CODINGS = 4
"""As many codings as an answer may have on top of each other; servers use one."""

_GZIP = b"\x1f\x8b"
Step = Callable[[Iterable[bytes]], Iterator[bytes]]


class CodingError(ValueError):
    """A body is not what its Content-Encoding says, or has more codings than anybody uses."""


def decoded(chunks: Iterable[bytes], codings: Iterable[str]) -> Iterator[bytes]:
    """The body with its codings taken off, the last one first; one that nobody knows here stays on, as with httpx.

    Raises `CodingError`.
    """
    named = [coding.strip().lower() for coding in codings]
    steps = [_STEPS[coding] for coding in reversed(named) if coding in _STEPS]
    if len(steps) > MOST_CODINGS:
        raise CodingError(f"{len(steps)} codings on top of each other; {MOST_CODINGS} at most are taken off")
    body = iter(chunks)
    for step in steps:
        body = step(body)
    return body


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    return _inflate(chunks, zlib.MAX_WBITS | 16)


def _undeflate(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """With zlib's frame, as the standard says, or without one, as some servers send it."""
    rest = iter(chunks)
    begin = b""
    for chunk in rest:
        begin += chunk
        if len(begin) >= 2:
            break
    has_frame = len(begin) >= 2 and begin[0] & 0x0F == 8 and int.from_bytes(begin[:2], "big") % 31 == 0
    return _inflate(chain([begin], rest), zlib.MAX_WBITS if has_frame else -zlib.MAX_WBITS)


def _inflate(chunks: Iterable[bytes], window_bits: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(window_bits)
    beyond = b""
    try:
        for chunk in chunks:
            left, beyond = beyond + chunk, b""
            while left:
                if inflater.eof:
                    if not _is_member(left, window_bits):
                        beyond = left[:1]
                        break
                    inflater = zlib.decompressobj(window_bits)
                piece = inflater.decompress(left, PIECE_BYTES)
                left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
                if piece:
                    yield piece
            # what zlib took in and did not give yet is asked for without more input
            while not inflater.eof and (piece := inflater.decompress(b"", PIECE_BYTES)):
                yield piece
    except zlib.error as error:
        raise CodingError(str(error)) from error


def _is_member(left: bytes, window_bits: int) -> bool:
    """A gzip file may have several members, one after the other (RFC 1952, 2.2)."""
    return window_bits > zlib.MAX_WBITS and left.startswith(_GZIP)


def _unbrotli(chunks: Iterable[bytes]) -> Iterator[bytes]:
    brotli: Any = import_module("brotli")
    decoder = brotli.Decompressor()
    try:
        for chunk in chunks:
            piece = decoder.process(chunk, output_buffer_limit=PIECE_BYTES)
            while piece or not decoder.can_accept_more_data():
                yield piece
                piece = decoder.process(b"", output_buffer_limit=PIECE_BYTES)
    except brotli.error as error:
        raise CodingError(str(error) or "no brotli") from error


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    zstandard: Any = import_module("zstandard")
    # a larger window than this need not be supported (RFC 9659, 3)
    reader = zstandard.ZstdDecompressor(max_window_size=8 * 2**20).stream_reader(
        _Source(chunks), read_across_frames=True
    )
    try:
        while piece := reader.read(PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise CodingError(str(error)) from error


class _Source:
    """Chunks as a file to read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._left = chunk
        given, self._left = self._left[:size], self._left[size:]
        return given


_STEPS: dict[str, Step] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}
