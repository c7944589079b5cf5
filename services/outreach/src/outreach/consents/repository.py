"""The consent ledger in MongoDB: every declaration, in order, never changed (ISO/IEC TS 27560)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cme_kit.mongo import Database, Index, Session
from pydantic import BaseModel, ConfigDict

from outreach.consents.domain import Consent, ConsentState, Method, Purpose

LEDGER = "consents"
INDEXES = (Index(LEDGER, ("contact_id", "_id")),)


class Declaration(BaseModel):
    """One declaration with its proof."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    consent_id: str
    contact_id: str
    purpose: Purpose
    state: ConsentState
    language: str
    text_version: str
    method: Method
    given_at: datetime
    proof: str
    recorded_at: datetime
    recorded_by: str

    def as_state(self) -> Consent:
        """What a contact keeps of it."""
        return Consent(consent_id=self.consent_id, state=self.state, method=self.method, given_at=self.given_at)


class ConsentRepository:
    """Appends to and reads the ledger."""

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(LEDGER)

    async def add_many(self, declarations: Sequence[Declaration], session: Session) -> None:
        """Append declarations."""
        rows = [{"_id": one.consent_id, **one.model_dump(exclude={"consent_id"})} for one in declarations]
        await self._rows.insert_many(rows, session=session)

    async def of_contact(self, contact_id: str) -> list[Declaration]:
        """Every declaration of a contact, oldest first."""
        rows = await self._rows.find({"contact_id": contact_id}, sort=[("_id", 1)])
        return [Declaration.model_validate({**row, "consent_id": row["_id"]}) for row in rows]
