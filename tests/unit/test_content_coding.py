"""Codings taken off piece by piece, against the libraries that put them on."""

from __future__ import annotations

import gzip
import random
import zlib
from contextlib import suppress
from itertools import islice

import brotli
import httpx
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.content_coding import MOST_CODINGS, PIECE_BYTES, CodingError, decoded


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": [gzip.compress, lambda data: b"".join(map(gzip.compress, (data[:9], data[9:]))) + b"\0\0"],
    "x-gzip": [gzip.compress],
    "deflate": [zlib.compress, bare_deflate],
    "br": [brotli.compress],
    "zstd": [zstandard.compress, lambda data: b"".join(map(zstandard.compress, (data[:9], data[9:])))],
    "identity": [bytes],
    "unheard-of": [bytes],
}


def chopped(data: bytes, size: int):
    return (data[at : at + size] for at in range(0, len(data), size))


@given(st.binary(max_size=5000), st.lists(st.sampled_from(sorted(PACKERS)), max_size=3), st.randoms())
def test_what_was_coded_comes_back(body: bytes, codings: list[str], chance: random.Random) -> None:
    packed = body
    for coding in codings:
        packed = chance.choice(PACKERS[coding])(packed)
    assert b"".join(decoded(chopped(packed, chance.randint(1, 2000)), codings)) == body


@given(st.binary(max_size=300), st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd"]), min_size=1, max_size=3))
def test_what_was_never_coded_is_named_and_breaks_nothing(body: bytes, codings: list[str]) -> None:
    with suppress(CodingError):
        list(decoded([body], codings))


@pytest.mark.parametrize(
    "codings", [["gzip"], ["deflate"], ["br"], ["zstd"], ["gzip", "gzip"], ["gzip", "br"], ["zstd", "zstd"]]
)
def test_no_piece_of_a_bomb_is_large(codings: list[str]) -> None:
    bomb = bytes(64 * 2**20)
    for coding in codings:
        bomb = PACKERS[coding][0](bomb)
    pieces = list(islice(decoded([bomb], codings), 20))
    assert len(pieces) == 20
    assert max(map(len, pieces)) <= 2 * PIECE_BYTES


def test_codings_without_end_are_not_taken_off() -> None:
    with pytest.raises(CodingError, match="3000 codings"):
        decoded([b"hello"], ["gzip"] * 3000)
    assert MOST_CODINGS < 10


def test_a_window_larger_than_anybody_need_keep_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=27)
    packed = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    with pytest.raises(CodingError):
        list(decoded([packed.compress(bytes(2**20)) + packed.flush()], ["zstd"]))


def test_what_is_offered_is_taken_off() -> None:
    body = b"as it was"
    offered = httpx.Client().headers["accept-encoding"].split(", ")
    assert sorted(offered) == ["br", "deflate", "gzip", "zstd"]
    assert all(b"".join(decoded([PACKERS[one][0](body)], [one])) == body for one in offered)
