"""Tokens as a stranger sees them: what is in them, and which ones he can make himself.

Forged by hand, because libraries refuse, rightly, to make what is to be tried here: tokens without a signature, or with
a key that is too short (RFC 8725, 2.1 and 3.5).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
UNSIGNED = ("none", "None", "NONE", "nOnE")
"""Spellings of the algorithm that signs nothing."""
_WORDS = """
secret secret123 secretkey secret_key secret-key SECRET SECRET_KEY mysecret my-secret mysecretkey my-secret-key
my_secret_key supersecret super-secret super_secret supersecretkey super-secret-key super_secret_key topsecret
top-secret verysecret very-secret jwt jwtsecret jwt_secret jwt-secret JWT_SECRET jwtsecretkey jwt_secret_key
jwt-secret-key jwt-key jwtkey key private privatekey private_key private-key password password1 password123 passw0rd
Passw0rd P@ssw0rd changeme change_me change-me changeit changethis change-this please-change-me CHANGE_ME ChangeMe
changemeplease default default-secret default_secret test test123 testing testkey test-key test-secret test_secret dev
development dev-secret dev_secret devsecret devkey dev-key dev-secret-key local debug demo example example-secret
sample foo foobar bar baz qwerty qwerty123 123 1234 12345 123456 1234567 12345678 123456789 1234567890 0123456789 abc
abc123 abcdef abcdefg admin admin123 administrator root toor user guest letmein welcome iloveyou monkey dragon master
hello helloworld hello-world token tokensecret token-secret token_secret api apikey api-key api_key apisecret
api-secret api_secret app appsecret app-secret app_secret application auth authsecret auth-secret auth_secret
authentication session sessionsecret session-secret session_secret cookie cookie-secret cookiesecret keyboard
keyboard-cat keyboardcat shhhhh shhh shhhh shh sshhhh hmac hmackey hmac-key hmac_secret signing signingkey signing-key
signing_key signature insecure insecure-secret unsafe random random-string randomstring string your-secret your_secret
yoursecret your-secret-key your_secret_key your-256-bit-secret your-384-bit-secret your-512-bit-secret yoursecretkey
your-jwt-secret your_jwt_secret a-string-secret-at-least-256-bits-long replace-me replaceme replace_me todo fixme none
null undefined true false production prod staging company corp internal flask django express node nodejs spring
fastapi laravel rails secret_key_base dev_key HS256 qwertyuiop asdfgh zxcvbn crapi vampi juice dvws 0 1 a s k x
09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7
"""
"""Keys that stand in tutorials (the last one in FastAPI's), examples and templates, and the most common passwords."""


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token of three parts (RFC 7519), read without being believed."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: str
    """The first two parts, as they were signed."""
    signature: str

    @property
    def algorithm(self) -> str:
        """What the header says that it is signed with."""
        return str(self.header.get("alg", ""))

    @property
    def lifetime_s(self) -> float | None:
        """Seconds from its making to its end; None if it has no end, or no beginning."""
        end, begin = self.claims.get("exp"), self.claims.get("iat", self.claims.get("nbf"))
        if not isinstance(end, int | float) or not isinstance(begin, int | float):
            return None
        return float(end - begin)


def read_jwt(token: str) -> Jwt | None:
    """The parts of a token; None if it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = json.loads(_bytes(parts[0])), json.loads(_bytes(parts[1]))
    except ValueError:
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return None
    return Jwt(header, claims, f"{parts[0]}.{parts[1]}", parts[2])


def forge(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes | None) -> str:
    """A token signed by a key, with the header's algorithm or HS256; without a key it has no signature."""
    signed = f"{_part(header)}.{_part(claims)}"
    if key is None:
        return f"{signed}."
    digest = _DIGESTS.get(str(header.get("alg")), hashlib.sha256)
    return f"{signed}.{_encoded(hmac.new(key, signed.encode(), digest).digest())}"


def pem_of(key: Mapping[str, Any]) -> str | None:
    """The PEM form of a public RSA key from a set of keys (RFC 7517); None if it is none."""
    if key.get("kty") != "RSA" or not isinstance(key.get("n"), str) or not isinstance(key.get("e"), str):
        return None
    numbers = b"".join(
        _der(0x02, b"\0" + _bytes(key[name]) if _bytes(key[name])[0] > 0x7F else _bytes(key[name]))
        for name in ("n", "e")
    )
    rsa = bytes.fromhex("300d06092a864886f70d0101010500")
    whole = _der(0x30, rsa + _der(0x03, b"\0" + _der(0x30, numbers)))
    coded = base64.b64encode(whole).decode()
    lines = [coded[start : start + 64] for start in range(0, len(coded), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----"])


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    long = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(long)]) + long + content


def weak_key(token: Jwt, more: Iterable[str] = ()) -> str | None:
    """The word that a token is signed with; None if it is none of those that a stranger tries first."""
    digest = _DIGESTS.get(token.algorithm)
    if digest is None:
        return None
    for word in words(more):
        if _encoded(hmac.new(word.encode(), token.signed.encode(), digest).digest()) == token.signature:
            return word
    return None


def weak_cookie_key(value: str, more: Iterable[str] = ()) -> str | None:
    """The word that a session's cookie is signed with, as Flask (itsdangerous) or Express do it; None if none is."""
    plain = value.strip('"').replace("%3A", ":").replace("%2F", "/").replace("%2B", "+").replace("%3D", "=")
    body, dot, signature = plain.rpartition(".")
    if not dot or not body or len(signature) < 20:
        return None
    inner = body.removeprefix("s:").encode()
    for word in words(more):
        key = word.encode()
        derived = hmac.new(key, b"cookie-session", hashlib.sha1).digest()
        if _encoded(hmac.new(derived, body.encode(), hashlib.sha1).digest()) == signature:
            return word
        express = base64.b64encode(hmac.new(key, inner, hashlib.sha256).digest()).rstrip(b"=").decode()
        if express == signature.rstrip("="):
            return word
    return None


def words(more: Iterable[str] = ()) -> Iterator[str]:
    """Keys that a stranger tries first: well-known ones, then the service's own words with the usual endings."""
    yield from dict.fromkeys([*_WORDS.split(), ""])
    for word in dict.fromkeys(each for each in more if each):
        for form in dict.fromkeys((word, word.lower(), word.upper(), word.capitalize())):
            for ending in ("", "-secret", "_secret", "secret", "-key", "_key", "key", "123", "-jwt", "-secret-key"):
                yield form + ending


def derived_from(token: str, names: Iterable[str]) -> tuple[str, str] | None:
    """How a token is made from the name of its account alone, and from which; None if it is not."""
    for name in names:
        for way in WAYS:
            if name and token == made(way, name):
                return way, name
    return None


WAYS = ("plain", "base64", "hex", "md5", "sha1", "sha256")
"""By which a token may be made from a name."""


def made(way: str, name: str) -> str:
    """The token that is made from a name."""
    data = name.encode()
    match way:
        case "base64":
            return base64.b64encode(data).decode()
        case "hex":
            return data.hex()
        case "md5" | "sha1" | "sha256":
            return hashlib.new(way, data, usedforsecurity=False).hexdigest()
        case _:
            return name


def unsealed(token: str) -> str:
    """A token that is base64 or hexadecimal of plain text, as that text; "" if it is none."""
    for decode in (_bytes, bytes.fromhex):
        try:
            text = decode(token).decode("ascii")
        except ValueError:
            continue
        if text.isprintable() and len(text) >= 3:
            return text
    return ""


def sealed_like(token: str, text: str) -> str:
    """A text in the coding of a token."""
    if all(each in "0123456789abcdef" for each in token):
        return text.encode().hex()
    coded = base64.urlsafe_b64encode(text.encode()).decode()
    return coded if token.endswith("=") else coded.rstrip("=")


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
