"""Other ways to ask for the same, and a public key as a secret: made right, and never the plain request itself."""

from __future__ import annotations

import json

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.api.detours import methods, spellings, versions
from harness.probes.api.facts import Facts
from harness.probes.api.tokens import pem_of

PATHS = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), min_size=1, max_size=4).map(
    lambda words: "/" + "/".join(words)
)


def test_a_set_of_keys_gives_the_key_as_it_is_kept():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    told = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key))
    assert pem_of(told) == pem.decode().strip()
    assert pem_of({"kty": "EC", "x": "AA", "y": "AA"}) is None


@given(PATHS)
def test_no_other_spelling_or_version_is_the_path_itself(path):
    assert path not in {each.target for each in spellings(path)}
    assert path not in set(versions(path))


def test_versions_are_those_around_the_own_one():
    assert {"/api/v1/orders", "/api/v3/orders", "/api/orders"} <= set(versions("/api/v2/orders"))
    assert {"/v0/notes", "/v1/notes"} <= set(versions("/notes"))
    assert "/api/v1/notes" in set(versions("/api/notes"))


def test_a_method_is_named_beside_another_one():
    asked = {(each.method, each.name) for each in methods("DELETE", "/x")}
    assert ("POST", "header X-HTTP-Method-Override") in asked
    assert ("POST", "member _method") in asked
    assert ("POST", "method POST") in {(each.method, each.name) for each in methods("GET", "/x")}


def test_a_list_of_ids_is_filled_by_an_id_of_what_the_path_is_about():
    facts = Facts()
    facts.learn("anna", "POST /visits", "/visits", {"id": "7f3a", "reason": "cough"}, is_new=True)
    assert [each.value for each in facts.candidates("ids", "/visits/batch", "anna")] == ["7f3a"]
    assert list(facts.candidates("ids", "/invoices/batch", "anna")) == []
