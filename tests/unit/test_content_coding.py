"""Codings taken off piece by piece, against the libraries that put them on."""

from __future__ import annotations

import gzip
import random
import zlib
from contextlib import suppress
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.content_coding import MOST_CODINGS, PIECE_BYTES, CodingError, decoded

brotli = pytest.importorskip("brotli")


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": [gzip.compress],
    "x-gzip": [gzip.compress],
    "deflate": [zlib.compress, bare_deflate],
    "br": [brotli.compress],
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


@given(st.binary(max_size=300), st.lists(st.sampled_from(["gzip", "deflate", "br"]), min_size=1, max_size=3))
def test_what_was_never_coded_is_named_and_breaks_nothing(body: bytes, codings: list[str]) -> None:
    with suppress(CodingError):
        list(decoded([body], codings))


@pytest.mark.parametrize("codings", [["gzip"], ["deflate"], ["br"], ["gzip", "gzip"], ["gzip", "br"]])
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


def test_zstd_is_taken_off_where_it_is_known() -> None:
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(bytes(10**6))
    pieces = list(decoded([packed], ["zstd"]))
    assert b"".join(pieces) == bytes(10**6)
    assert max(map(len, pieces)) <= PIECE_BYTES
