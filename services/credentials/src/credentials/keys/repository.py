"""Public keys, kept for ever: a credential outlives the key that signed it."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Index

KEYS = "keys"
INDEXES = (Index(KEYS, ("added_at",)),)


class KeyRepository:
    """Every public key that ever signed."""

    def __init__(self, database: Database) -> None:
        self._keys = database.collection(KEYS)

    async def add(self, multikey: str, added_at: datetime) -> None:
        """Keep a key; one that is kept already stays as it is."""
        await self._keys.update({"_id": multikey}, {"$setOnInsert": {"added_at": added_at}}, upsert=True)

    async def all(self) -> list[str]:
        """All keys, oldest first."""
        return [row["_id"] for row in await self._keys.find({}, sort=[("added_at", 1)])]
