"""What may be used once: assertions of clients (RFC 7523 section 3) and proofs of a key (RFC 9449 section 11.1)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from cme_kit.mongo import Database, Index

USED = "used_assertions"
INDEXES = (Index(USED, ("expires",), expire_seconds=0),)
#: Ids in one write.
AT_ONCE = 200


@dataclass(frozen=True)
class _Use:
    key: str
    expires: datetime
    is_first: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class UsedOnce:
    """The ids that were used, of all replicas.

    One durable write of many ids takes hardly longer than of one, so what comes while a write is under way is written
    with the next.
    """

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(USED)
        self._waiting: list[_Use] = []
        self._writing: asyncio.Task[None] | None = None

    async def claim(self, owner: str, jti: str, expires: datetime) -> bool:
        """Remember an id of an owner until it expires by itself; whether it is new. Raises PyMongoError."""
        use = _Use(f"{owner} {jti}", expires)
        self._waiting.append(use)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="used once")
        return await use.is_first

    async def _write(self) -> None:
        try:
            while self._waiting:
                uses, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._write_at_once(uses)
        finally:
            self._writing = None

    async def _write_at_once(self, uses: list[_Use]) -> None:
        first = {use.key: use for use in reversed(uses)}
        try:
            taken = await self._rows.insert_new([{"_id": use.key, "expires": use.expires} for use in first.values()])
        except Exception as error:  # noqa: BLE001 -- whoever waits for it gets it
            for use in uses:
                if not use.is_first.done():
                    use.is_first.set_exception(error)
            return
        for use in uses:
            if not use.is_first.done():  # nobody waits any more for one that was cancelled
                use.is_first.set_result(first[use.key] is use and use.key not in taken)
