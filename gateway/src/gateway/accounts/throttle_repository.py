"""Counts of what is tried, by a keyed hash of who tries it."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Index

COUNTS = "throttle_counts"
INDEXES = (Index(COUNTS, ("expires",), expire_seconds=0),)


class ThrottleRepository:
    """Counts that begin anew after a while."""

    def __init__(self, database: Database) -> None:
        self._counts = database.collection(COUNTS)

    async def count(self, key: str, now: datetime, expires: datetime) -> tuple[int, datetime]:
        """Count one more; how many there are in this while, and when it ends."""
        await self._counts.delete({"_id": key, "expires": {"$lte": now}})
        change = {"$inc": {"count": 1}, "$setOnInsert": {"expires": expires}}
        row = await self._counts.change({"_id": key}, change, upsert=True)
        return (int(row["count"]), row["expires"]) if row else (1, expires)

    async def read(self, key: str, now: datetime) -> tuple[int, datetime]:
        """How many there are in this while, and when it ends."""
        row = await self._counts.find_one({"_id": key, "expires": {"$gt": now}})
        return (int(row["count"]), row["expires"]) if row else (0, now)
