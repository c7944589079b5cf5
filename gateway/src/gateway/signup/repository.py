"""Sign-ups and password resets that wait for their mailed link."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Index, Session

from gateway.signup.domain import Reset, SignUp

SIGN_UPS = "sign_ups"
RESETS = "password_resets"
INDEXES = (
    Index(SIGN_UPS, ("expires",), expire_seconds=0),
    Index(SIGN_UPS, ("username",)),
    Index(RESETS, ("expires",), expire_seconds=0),
    Index(RESETS, ("subject",)),
)


class SignUpRepository:
    """Sign-ups and resets by the id in their link."""

    def __init__(self, database: Database) -> None:
        self._sign_ups = database.collection(SIGN_UPS)
        self._resets = database.collection(RESETS)

    async def add(self, sign_up: SignUp, session: Session) -> None:
        """Store a new sign-up."""
        row = {**vars(sign_up), "_id": sign_up.signup_id}
        del row["signup_id"]
        await self._sign_ups.insert(row, session=session)

    async def find(self, signup_id: str, now: datetime) -> SignUp | None:
        """A sign-up that still waits."""
        row = await self._sign_ups.find_one({"_id": signup_id, "expires": {"$gt": now}})
        return SignUp(signup_id=row.pop("_id"), **row) if row else None

    async def use(self, sign_up: SignUp, session: Session) -> bool:
        """Use a sign-up up, and every other one with its address; whether it still waited."""
        if await self._sign_ups.delete({"_id": sign_up.signup_id}, session) == 0:
            return False
        await self._sign_ups.delete({"username": sign_up.username}, session)
        return True

    async def add_reset(self, reset: Reset, session: Session) -> None:
        """Store a new reset."""
        row = {"_id": reset.reset_id, "subject": reset.subject, "expires": reset.expires}
        await self._resets.insert(row, session=session)

    async def find_reset(self, reset_id: str, now: datetime) -> Reset | None:
        """A reset that still waits."""
        row = await self._resets.find_one({"_id": reset_id, "expires": {"$gt": now}})
        return Reset(row["_id"], row["subject"], row["expires"]) if row else None

    async def use_reset(self, reset: Reset, session: Session) -> bool:
        """Use a reset up, and every other one of its person; whether it still waited."""
        if await self._resets.delete({"_id": reset.reset_id}, session) == 0:
            return False
        await self._resets.delete({"subject": reset.subject}, session)
        return True

    async def forget(self, subject: str, username: str, session: Session) -> None:
        """Remove what waits for somebody."""
        await self._resets.delete({"subject": subject}, session)
        await self._sign_ups.delete({"username": username}, session)
