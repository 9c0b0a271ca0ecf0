"""Tokens that a stranger can read, guess or make."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.api.tokens import (
    derived_from,
    forge,
    made,
    read_jwt,
    sealed_like,
    unsealed,
    weak_cookie_key,
    weak_key,
)

CLAIMS = {"sub": "anna", "iat": 10, "exp": 70}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("key", ["changeme", "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"])
def test_a_key_of_the_list_is_found(algorithm, key):
    token = read_jwt(forge({"alg": algorithm}, CLAIMS, key.encode()))
    assert token is not None
    assert weak_key(token) == key


def test_a_word_of_the_service_is_found():
    token = read_jwt(forge({"alg": "HS256"}, CLAIMS, b"kettles-secret"))
    assert token is not None
    assert weak_key(token) is None
    assert weak_key(token, ["kettles"]) == "kettles-secret"


def test_a_long_key_and_another_algorithm_are_not_found():
    for header, key in (({"alg": "HS256"}, b"9f3b" * 8), ({"alg": "RS256"}, b"secret")):
        token = read_jwt(forge(header, CLAIMS, key))
        assert token is not None
        assert weak_key(token) is None


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.binary(min_size=1))
def test_what_was_put_into_a_token_is_read(claims, key):
    token = read_jwt(forge({"alg": "HS256"}, claims, key))
    assert token is not None
    assert token.claims == claims


@given(st.text())
def test_no_text_breaks_the_reader(text):
    read_jwt(text)
    unsealed(text)
    weak_cookie_key(text)


def test_a_lifetime_needs_both_ends():
    lifetimes = [
        getattr(read_jwt(forge({"alg": "HS256"}, claims, b"k")), "lifetime_s", "no token")
        for claims in (CLAIMS, {"exp": 70}, {})
    ]
    assert lifetimes == [60.0, None, None]


def test_a_cookie_signed_as_flask_signs_it_is_known():
    body = "eyJ1c2VyIjoiYW5uYSJ9.Zx1abc"
    key = hmac.new(b"secret", b"cookie-session", hashlib.sha1).digest()
    signature = base64.urlsafe_b64encode(hmac.new(key, body.encode(), hashlib.sha1).digest()).rstrip(b"=").decode()
    assert weak_cookie_key(f"{body}.{signature}") == "secret"
    assert weak_cookie_key(f"{body}.{signature[::-1]}") is None


def test_a_cookie_signed_as_express_signs_it_is_known():
    signature = base64.b64encode(hmac.new(b"keyboardcat", b"abc", hashlib.sha256).digest()).rstrip(b"=").decode()
    assert weak_cookie_key(f"s%3Aabc.{signature}") == "keyboardcat"


@pytest.mark.parametrize("way", ["plain", "base64", "hex", "md5", "sha256"])
def test_a_token_made_from_a_name_is_known(way):
    assert derived_from(made(way, "anna"), ["ben", "anna"]) == (way, "anna")
    assert derived_from(made(way, "anna"), ["ben"]) is None


def test_plain_text_in_another_coding_is_read_and_written_alike():
    token = base64.urlsafe_b64encode(b"user=anna;role=user").rstrip(b"=").decode()
    assert unsealed(token) == "user=anna;role=user"
    assert unsealed(sealed_like(token, "user=ben;role=user")) == "user=ben;role=user"
