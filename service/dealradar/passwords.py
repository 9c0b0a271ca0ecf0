"""How passwords are hashed: argon2id with the memory and time that OWASP gives as a minimum."""

import asyncio
from functools import cache
from typing import TypedDict

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError


class Parameters(TypedDict):
    """The cost of one hash; memory in KiB."""

    time_cost: int
    memory_cost: int
    parallelism: int


PARAMETERS: Parameters = {"time_cost": 2, "memory_cost": 19_456, "parallelism": 1}


async def verify_password(password: str, stored: str | None) -> bool:
    """Check a password in a thread, since argon2 takes some 20 ms of processor time.

    Without a stored hash one is made up and checked all the same: an unknown account takes as long as a known one.
    """
    return await asyncio.to_thread(_verify, password, stored)


def _verify(password: str, stored: str | None) -> bool:
    try:
        PasswordHasher(**PARAMETERS).verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _nobodys_hash() -> str:
    return PasswordHasher(**PARAMETERS).hash("nobody has this password")
