"""How passwords are hashed: argon2id with the memory and time that OWASP gives as a minimum."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
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
# Threads of their own, fewer than processors: a burst of logins waits in line, while the loop answers everybody else.
_threads = ThreadPoolExecutor(max(1, min(4, (os.cpu_count() or 1) - 1)), "argon2")


async def hash_password(password: str) -> str:
    """What to store of a password."""
    return await asyncio.get_running_loop().run_in_executor(_threads, PasswordHasher(**PARAMETERS).hash, password)


async def verify_password(password: str, stored: str | None) -> bool:
    """Check a password in a thread, since argon2 takes some 20 ms of processor time.

    Without a stored hash one is made up and checked all the same: an unknown account takes as long as a known one.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password, stored)


def _verify(password: str, stored: str | None) -> bool:
    try:
        PasswordHasher(**PARAMETERS).verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _nobodys_hash() -> str:
    return PasswordHasher(**PARAMETERS).hash("nobody has this password")
