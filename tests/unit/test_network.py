"""Which URLs name this machine: what every parser of URLs reads as loopback is, and nothing else."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.network import is_loopback, read_address

HERE = st.integers(min_value=0x7F000000, max_value=0x7FFFFFFF)
ANY_V4 = st.integers(min_value=0, max_value=0xFFFFFFFF)
V6 = st.integers(min_value=0, max_value=2**128 - 1).map(ipaddress.IPv6Address)
LABEL = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")


def number(value: int, base: str) -> str:
    return {"decimal": str(value), "hex": f"0x{value:x}", "octal": f"0{value:o}"}[base]


@st.composite
def ipv4_forms(draw: st.DrawFn, values: st.SearchStrategy[int]) -> tuple[int, str]:
    """An IPv4 address, written in one of the forms of inet_aton."""
    value, parts = draw(values), draw(st.integers(min_value=1, max_value=4))
    split = [(value >> (24 - 8 * place)) & 0xFF for place in range(parts - 1)]
    split.append(value & ((1 << (8 * (5 - parts))) - 1))
    return value, ".".join(number(part, draw(st.sampled_from(("decimal", "hex", "octal")))) for part in split)


@st.composite
def urls(draw: st.DrawFn, host: str) -> str:
    """A URL with that host, dressed up."""
    spelled = draw(st.sampled_from((host, host.upper(), host.title())))
    user = draw(st.sampled_from(("", "user@", "example.org:80@", "127.0.0.1@")))
    port = draw(st.sampled_from(("", ":80", ":65535", ":")))
    path = draw(st.sampled_from(("", "/", "/x?y=http://127.0.0.1", "?a", "#b")))
    return f"{draw(st.sampled_from(('http', 'https', 'HTTP')))}://{user}{spelled}{port}{path}"


@given(form=ipv4_forms(HERE), data=st.data(), dot=st.sampled_from(("", ".")))
def test_each_form_of_127_8_is_here(form: tuple[int, str], dot: str, data: st.DataObject) -> None:
    assert is_loopback(data.draw(urls(form[1] + dot)))


@given(form=ipv4_forms(ANY_V4.filter(lambda value: value >> 24 != 127)), data=st.data())
def test_no_other_ipv4_address_is(form: tuple[int, str], data: st.DataObject) -> None:
    assert not is_loopback(data.draw(urls(form[1])))


@given(form=ipv4_forms(ANY_V4))
def test_ipv4_is_read_as_the_systems_library_reads_it(form: tuple[int, str]) -> None:
    value, text = form
    assert read_address(text) == ipaddress.IPv4Address(value) == ipaddress.IPv4Address(socket.inet_aton(text))


@given(text=st.text("0123456789abcdefxX.-+ _", max_size=16))
def test_what_the_systems_library_refuses_is_no_address(text: str) -> None:
    try:
        expected = ipaddress.IPv4Address(socket.inet_aton(text))
    except OSError:
        expected = None
    # the library stops at a blank, and reads a bare 0x as 0 in some places only
    if " " not in text and not any(part in ("0x", "0X") for part in text.split(".")):
        assert read_address(text) == expected


@given(address=V6, data=st.data())
def test_of_ipv6_only_1_and_what_maps_to_127_8_is(address: ipaddress.IPv6Address, data: st.DataObject) -> None:
    mapped = address.ipv4_mapped
    expected = address == ipaddress.IPv6Address("::1") or (
        mapped is not None and mapped in ipaddress.ip_network("127.0.0.0/8")
    )
    assert is_loopback(data.draw(urls(f"[{address}]"))) is expected


@given(value=HERE, data=st.data())
def test_mapped_addresses_are_in_both_spellings(value: int, data: st.DataObject) -> None:
    assert is_loopback(data.draw(urls(f"[::ffff:{ipaddress.IPv4Address(value)}]")))
    assert is_loopback(data.draw(urls(f"[::ffff:{value >> 16:x}:{value & 0xFFFF:x}]")))


@given(name=LABEL, data=st.data(), dot=st.sampled_from(("", ".")))
def test_names_below_localhost_are_here_and_names_above_it_are_not(name: str, dot: str, data: st.DataObject) -> None:
    assert is_loopback(data.draw(urls(f"{name}.localhost{dot}")))
    for host in (f"localhost.{name}.org", f"{name}localhost", f"127.0.0.1.{name}", f"{name}.org"):
        assert not is_loopback(data.draw(urls(f"{host}{dot}")))


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:80/", True),
        ("http://127.9.9.9", True),
        ("http://127.1", True),
        ("http://2130706433", True),
        ("http://0x7f000001:8000", True),
        ("http://0177.0.0.1", True),
        ("http://[::1]:8000", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://localhost", True),
        ("http://localhost.:8000/x", True),
        ("http://LOCALHOST", True),
        ("http://api.localhost", True),
        ("http://user:secret@127.0.0.1", True),
        ("http://127.0.0.1@example.org", False),
        ("http://localhost..", False),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://127.0.0.1 example.org", False),
        ("http://127.0.0.256", False),
        ("http://1.127.0.0.1", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("http://[::1", False),
        ("http://[::2]", False),
        ("https://example.org", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
def test_examples(url: str, *, here: bool) -> None:
    assert is_loopback(url) is here
