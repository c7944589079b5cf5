"""Passkeys, and challenges that wait for their answer."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.passkeys.domain import Passkey

PASSKEYS = "passkeys"
CHALLENGES = "passkey_challenges"
INDEXES = (
    Index(PASSKEYS, ("subject", "created")),
    Index(CHALLENGES, ("expires",), expire_seconds=0),
)


class PasskeyRepository:
    """Passkeys by their credential id and by their person."""

    def __init__(self, database: Database) -> None:
        self._passkeys = database.collection(PASSKEYS)

    async def add(self, passkey: Passkey, session: Session) -> None:
        """Store a new passkey. Raises DuplicateKeyError."""
        row = {**vars(passkey), "_id": passkey.credential_id}
        del row["credential_id"]
        await self._passkeys.insert(row, session=session)

    async def find(self, credential_id: str) -> Passkey | None:
        """The passkey with this id."""
        row = await self._passkeys.find_one({"_id": credential_id})
        return _passkey(row) if row else None

    async def of(self, subject: str) -> list[Passkey]:
        """A person's passkeys, oldest first."""
        rows = await self._passkeys.find({"subject": subject}, sort=[("created", 1)])
        return [_passkey(row) for row in rows]

    async def used(self, passkey: Passkey, sign_count: int, backed_up: bool, now: datetime) -> bool:
        """Store the counter after a use; whether it was still the one that was read."""
        seen = {"_id": passkey.credential_id, "sign_count": passkey.sign_count}
        change = {"$set": {"sign_count": sign_count, "backed_up": backed_up, "last_used": now}}
        return await self._passkeys.update(seen, change) == 1

    async def rename(self, subject: str, credential_id: str, name: str) -> bool:
        """Give a person's passkey another name; whether there is one."""
        return await self._passkeys.update({"_id": credential_id, "subject": subject}, {"$set": {"name": name}}) == 1

    async def remove(self, subject: str, credential_id: str, session: Session) -> bool:
        """Remove a person's passkey; whether there was one."""
        return await self._passkeys.delete({"_id": credential_id, "subject": subject}, session) == 1

    async def forget(self, subject: str, session: Session) -> None:
        """Remove all passkeys of a person."""
        await self._passkeys.delete({"subject": subject}, session)


class ChallengeRepository:
    """Challenges by their fingerprint, each for one browser and one purpose."""

    def __init__(self, database: Database) -> None:
        self._challenges = database.collection(CHALLENGES)

    async def add(self, key: str, purpose: str, browser: str, expires: datetime) -> None:
        """Store a new challenge."""
        await self._challenges.insert({"_id": key, "purpose": purpose, "browser": browser, "expires": expires})

    async def use(self, key: str, purpose: str, browser: str, now: datetime) -> bool:
        """Use a challenge up; whether it was open, of this browser and for this purpose."""
        mine = {"_id": key, "purpose": purpose, "browser": browser, "expires": {"$gt": now}}
        return await self._challenges.delete(mine) == 1


def _passkey(row: Document) -> Passkey:
    return Passkey(**{key: value for key, value in row.items() if key != "_id"}, credential_id=row["_id"])
