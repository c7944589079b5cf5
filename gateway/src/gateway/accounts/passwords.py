"""Argon2id (RFC 9106) in a bounded pool: a hash takes 30 ms of a core, which the event loop must not pay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from argon2.low_level import Type
from cme_kit.problems import Unavailable

#: OWASP's parameters for Argon2id with 19 MiB.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
THREADS = 2
#: More waiting sign-ins than this are refused: the last one would wait for seconds.
MOST_WAITING = 64
Result = TypeVar("Result")


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._waiting = 0
        #: Verified for names that do not exist, so that they take as long as those that do.
        self._of_nobody = _HASHER.hash("nobody")

    async def hash(self, password: str) -> str:
        """The encoded hash to store. Raises Unavailable when too many wait."""
        return await self._run(lambda: _HASHER.hash(password))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether a password is the stored one; takes as long when nothing is stored. Raises Unavailable."""

        def verify() -> bool:
            try:
                return _HASHER.verify(stored or self._of_nobody, password)
            except VerificationError:
                return False

        return await self._run(verify) and stored is not None

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many people sign in at this moment; try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
