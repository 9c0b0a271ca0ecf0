"""Client addresses: inside their networks, and never given twice on one machine."""

from __future__ import annotations

import ipaddress
import multiprocessing
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.probes.address import AddressBook, client_address


@given(number=st.integers(min_value=0, max_value=10**12))
def test_addresses_lie_in_their_networks(number: int) -> None:
    forwarded = ipaddress.ip_address(client_address("x-forwarded-for", number))
    bound = ipaddress.ip_address(client_address("source", number))
    assert forwarded in ipaddress.ip_network("198.18.0.0/15")
    assert bound in ipaddress.ip_network("127.1.0.0/16")
    assert int(bound) % 256 not in (0, 255)
    assert client_address("none", number) == ""


def test_all_numbers_of_a_round_differ() -> None:
    assert len({client_address("source", number) for number in range(256 * 254)}) == 256 * 254
    assert len({client_address("x-forwarded-for", number) for number in range(2 * 256 * 254)}) == 2 * 256 * 254


def _take(folder: Path, count: int) -> list[int]:
    book = AddressBook(folder)
    return [book.fresh_number() for _ in range(count)]


def test_processes_never_get_the_same_number(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        taken = pool.starmap(_take, [(tmp_path / "book", 100)] * 3)
    numbers = [number for each in taken for number in each]
    assert len(set(numbers)) == 300


def test_a_later_run_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    first = _take(tmp_path, 5)
    later = _take(tmp_path, 5)
    assert min(later) > max(first)


def test_every_user_may_count(tmp_path: Path) -> None:
    _take(tmp_path / "book", 1)
    assert stat.S_IMODE((tmp_path / "book").stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "book" / "next").stat().st_mode) == 0o666


def test_a_spoilt_counter_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "next").write_bytes(b"\xff not a number")
    assert len(set(_take(tmp_path, 40))) == 40


def test_a_counter_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"client addresses cannot be counted .*; remove .*file"):
        AddressBook(tmp_path / "file").fresh("source")


def test_where_clients_have_no_address_nothing_is_counted(tmp_path: Path) -> None:
    assert AddressBook(tmp_path / "book").fresh("none") == ""
    assert not (tmp_path / "book").exists()
