"""A person's consents and what came of them."""

from __future__ import annotations

from datetime import datetime

from cme_kit.mongo import Database, Document, Index, Session

from gateway.oauth.repository import CODES, CONSENTS, REFRESH_TOKENS, REVOCATIONS

INDEXES = (
    Index(REFRESH_TOKENS, ("subject", "client_id", "used")),
    Index(CODES, ("subject", "client_id")),
)


class ConsentRepository:
    """Consents by their person."""

    def __init__(self, database: Database) -> None:
        self._codes = database.collection(CODES)
        self._refresh_tokens = database.collection(REFRESH_TOKENS)
        self._consents = database.collection(CONSENTS)
        self._revocations = database.collection(REVOCATIONS)

    async def of(self, subject: str, now: datetime) -> list[Document]:
        """A person's consents: `_id` is the subject and the client's id, beside `scopes` and `expires`."""
        # By the primary key, in which the subject comes first: `!` follows the space that ends it.
        begins = {"$gt": f"{subject} ", "$lt": f"{subject}!"}
        return await self._consents.find({"_id": begins, "expires": {"$gt": now}}, sort=[("_id", 1)])

    async def withdraw(
        self, subject: str, client_id: str, revoked_until: datetime, session: Session
    ) -> list[str] | None:
        """Forget a consent and revoke what came of it; the ids of its grants, or None when there is no consent.

        Of a family of refresh tokens only the unused one is revoked: used ones are of no use, and there may be thousands.
        """
        if await self._consents.delete({"_id": f"{subject} {client_id}"}, session) == 0:
            return None
        mine = {"subject": subject, "client_id": client_id}
        tokens = await self._refresh_tokens.find({**mine, "used": False}, fields=["grant_id"], session=session)
        codes = await self._codes.find(mine, fields=["grant_id"], session=session)
        await self._refresh_tokens.update_many({**mine, "used": False}, {"$set": {"revoked": True}}, session)
        await self._codes.update_many({**mine, "used": False}, {"$set": {"used": True}}, session)
        grants = {str(row["grant_id"]) for row in (*tokens, *codes)}
        await self._revoke(grants, revoked_until, session)
        return sorted(grants)

    async def forget(self, subject: str, revoked_until: datetime, session: Session) -> None:
        """Remove what a person consented to, and revoke what came of it."""
        await self._consents.delete({"_id": {"$gt": f"{subject} ", "$lt": f"{subject}!"}}, session)
        tokens = await self._refresh_tokens.find({"subject": subject}, fields=["grant_id"], session=session)
        codes = await self._codes.find({"subject": subject}, fields=["grant_id"], session=session)
        await self._revoke({str(row["grant_id"]) for row in (*tokens, *codes)}, revoked_until, session)
        await self._refresh_tokens.delete({"subject": subject}, session)
        await self._codes.delete({"subject": subject}, session)

    async def _revoke(self, grants: set[str], until: datetime, session: Session) -> None:
        for grant in sorted(grants):
            await self._revocations.update({"_id": grant}, {"$set": {"expires": until}}, upsert=True, session=session)
