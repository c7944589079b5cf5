"""Letters: written in the transaction of what they tell of, sent afterwards."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.mail.domain import Kind, Letter

LETTERS = "letters"
INDEXES = (
    Index(LETTERS, ("state", "not_before")),
    Index(LETTERS, ("recipient",)),
    Index(LETTERS, ("expires",), expire_seconds=0),
)
WAITING = "waiting"


class LetterRepository:
    """Letters by when they are due."""

    def __init__(self, database: Database) -> None:
        self._letters = database.collection(LETTERS)

    async def add(self, letter: Letter, session: Session) -> None:
        """Store a new letter."""
        row = {**vars(letter), "_id": letter.letter_id, "state": WAITING, "not_before": letter.created}
        del row["letter_id"]
        await self._letters.insert(row, session=session)

    async def due(self, now: datetime, limit: int) -> list[Letter]:
        """Letters to send now, the longest waiting first."""
        waiting = {"state": WAITING, "not_before": {"$lte": now}}
        rows = await self._letters.find(waiting, sort=[("not_before", 1)], limit=limit)
        return [_letter(row) for row in rows]

    async def done(self, letter_id: str) -> None:
        """It was sent, or never will be; who it was for is not kept."""
        await self._letters.delete({"_id": letter_id})

    async def again(self, letter_id: str, not_before: datetime) -> None:
        """It is tried again later."""
        change = {"$set": {"not_before": not_before}, "$inc": {"tries": 1}}
        await self._letters.update({"_id": letter_id}, change)

    async def forget(self, recipient: str, session: Session) -> None:
        """Take back the letters to somebody."""
        await self._letters.delete({"recipient": recipient}, session)


def _letter(row: Document) -> Letter:
    fields = {key: value for key, value in row.items() if key not in ("_id", "state", "not_before")}
    return Letter(**{**fields, "letter_id": row["_id"], "kind": Kind(row["kind"])})
