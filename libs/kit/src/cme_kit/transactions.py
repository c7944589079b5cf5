"""Transactions of MongoDB: begun again when they lost against another writer, within a bound, one after the other."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from pymongo import WriteConcern
from pymongo.errors import NetworkTimeout
from pymongo.read_concern import ReadConcern

Session = Any
Result = TypeVar("Result")
#: No transaction begins again after so many seconds; the drivers' own limit is two minutes, in which nobody is answered.
TRANSACTION_SECONDS = 15.0
_CONCERNS: dict[str, Any] = {
    "read_concern": ReadConcern("snapshot"),
    "write_concern": WriteConcern(w="majority", j=True),
}
_afterwards: ContextVar[list[Callable[[], None]] | None] = ContextVar("afterwards", default=None)


class _Lost(Exception):
    """A transaction has to begin again."""


def after_commit(act: Callable[[], None]) -> None:
    """Call `act` once the transaction that runs here is committed, and never when it is not; at once outside of one."""
    waiting = _afterwards.get()
    if waiting is None:
        act()
    else:
        waiting.append(act)


class Transactions:
    """Runs the transactions of one client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run `work` in one transaction and commit it; run it again when it lost against another writer.

        Raises PyMongoError, in the end also when it always lost or the database is away.
        `work` may run more than once: it changes nothing outside the database, or by `after_commit`.
        """
        afterwards: list[Callable[[], None]] = []
        ends = time.monotonic() + TRANSACTION_SECONDS
        # One inside of another waits for nobody: the other could be whom it waits for.
        in_turn, attempts = _afterwards.get() is not None, 0

        async def attempt(session: Session) -> Result:
            nonlocal attempts
            attempts += 1
            if time.monotonic() > ends:
                raise NetworkTimeout(f"not committed within {TRANSACTION_SECONDS:.0f} s")
            if attempts > 1 and not in_turn:
                raise _Lost
            afterwards.clear()
            token = _afterwards.set(afterwards)
            try:
                return await work(session)
            finally:
                _afterwards.reset(token)

        opened = self._client.start_session()
        session = await opened if inspect.isawaitable(opened) else opened
        async with session:
            try:
                result: Result = await session.with_transaction(attempt, **_CONCERNS)
            except _Lost:
                # Whoever lost takes turns with the others here that did: all at once would lose again and again.
                async with self._turn:
                    in_turn = True
                    result = await session.with_transaction(attempt, **_CONCERNS)
        for act in afterwards:
            act()
        return result
