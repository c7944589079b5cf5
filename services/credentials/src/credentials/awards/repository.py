"""Awards and the credentials of each edition."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from credentials.awards.domain import Award, AwardState, Credential, CredentialState
from credentials.jsonld.domain import Json

AWARDS = "awards"
CREDENTIALS = "credentials"
INDEXES = (
    Index(AWARDS, ("enrolment_id", "achievement_id"), unique=True),
    Index(AWARDS, ("person_id", "_id")),
    Index(AWARDS, ("kind", "_id")),
    Index(CREDENTIALS, ("award_id", "edition"), unique=True),
    Index(CREDENTIALS, ("status_list", "status_index"), unique=True),
    Index(CREDENTIALS, ("created_at",), partial={"pending": True}),
)


class AwardRepository:
    """Awards by id and by learner."""

    def __init__(self, database: Database) -> None:
        self._awards = database.collection(AWARDS)

    async def insert(self, award: Award, session: Session) -> None:
        """Store a new award. Raises DuplicateKeyError for a second one of the same enrolment and achievement."""
        row = award.model_dump(mode="python", exclude={"award_id", "attestation"})
        row["attestation"] = award.attestation.model_dump(mode="json")
        await self._awards.insert({"_id": award.award_id, **_plain(row)}, session=session)

    async def find(self, award_id: str, session: Session | None = None) -> Award | None:
        """An award, or None."""
        return _award(await self._awards.find_one({"_id": award_id}, session=session))

    async def find_for(self, enrolment_id: str, achievement_id: str, session: Session) -> Award | None:
        """The award of a learner for an achievement, or None."""
        key = {"enrolment_id": enrolment_id, "achievement_id": achievement_id}
        return _award(await self._awards.find_one(key, session=session))

    async def page(self, filters: dict[str, str], after: str | None, limit: int) -> list[Award]:
        """Awards in the order they were made, beginning after one."""
        query: dict[str, Any] = dict(filters)
        if after is not None:
            query["_id"] = {"$gt": after}
        rows = await self._awards.find(query, sort=[("_id", 1)], limit=limit)
        return [award for row in rows if (award := _award(row))]

    async def advance(self, award: Award, expected: AwardState, session: Session) -> bool:
        """Store an award's new state unless another writer was faster."""
        fields = {"state", "edition", "credential_id", "issued_at", "revoked_at", "revocation_reason", "reissue_reason"}
        change = {"$set": _plain(award.model_dump(mode="python", include=fields))}
        return bool(
            await self._awards.update({"_id": award.award_id, "state": expected.value}, change, session=session)
        )


class CredentialRepository:
    """Credentials by id, by award and edition, and those that are not finished."""

    def __init__(self, database: Database) -> None:
        self._credentials = database.collection(CREDENTIALS)

    async def insert(self, credential: Credential, session: Session) -> None:
        """Store the intent: what will be signed, and its place in a status list."""
        row = {
            "_id": credential.credential_id,
            "award_id": credential.award_id,
            "edition": credential.edition,
            "state": credential.state.value,
            "pending": True,
            "status_list": credential.status_list,
            "status_index": credential.status_index,
            # As text: a signed document is kept byte for byte, whatever a driver does to keys and numbers.
            "document": json.dumps(credential.document),
            "canonical": credential.canonical,
            "traceparent": credential.traceparent,
            "created_at": credential.created_at,
        }
        await self._credentials.insert(row, session=session)

    async def taken(self, status_list: int, places: list[int], session: Session) -> set[int]:
        """Which of these places of a list are given away."""
        query = {"status_list": status_list, "status_index": {"$in": places}}
        rows = await self._credentials.find(query, fields=["status_index"], session=session)
        return {row["status_index"] for row in rows}

    async def find(self, credential_id: str, session: Session | None = None) -> Credential | None:
        """A credential, or None."""
        row = await self._credentials.find_one({"_id": credential_id}, session=session)
        return _credential(row) if row else None

    async def unfinished(self, limit: int) -> list[Credential]:
        """Credentials that are not issued yet, oldest first."""
        rows = await self._credentials.find({"pending": True}, sort=[("created_at", 1)], limit=limit)
        return [_credential(row) for row in rows]

    async def keep_signed(self, credential_id: str, signed: Json) -> None:
        """Store the signed document of an intent."""
        change = {"$set": {"state": CredentialState.SIGNED.value, "signed": json.dumps(signed)}}
        await self._credentials.update({"_id": credential_id, "state": CredentialState.INTENT.value}, change)

    async def issue(self, credential_id: str, at: datetime, session: Session) -> bool:
        """Make a signed credential public; False when it is already."""
        change = {"$set": {"state": CredentialState.ISSUED.value, "pending": False, "issued_at": at}}
        key = {"_id": credential_id, "state": CredentialState.SIGNED.value}
        return bool(await self._credentials.update(key, change, session=session))

    async def revoke(self, credential_id: str, at: datetime, session: Session) -> None:
        """Mark a credential as revoked."""
        change = {"$set": {"state": CredentialState.REVOKED.value, "revoked_at": at}}
        await self._credentials.update({"_id": credential_id}, change, session=session)


def _plain(row: Document) -> Document:
    return {key: str(value) if isinstance(value, AwardState) else value for key, value in row.items()}


def _award(row: Document | None) -> Award | None:
    return Award.model_validate({**row, "award_id": row["_id"]}) if row else None


def _credential(row: Document) -> Credential:
    return Credential(
        credential_id=row["_id"],
        award_id=row["award_id"],
        edition=row["edition"],
        state=CredentialState(row["state"]),
        status_list=row["status_list"],
        status_index=row["status_index"],
        document=json.loads(row["document"]),
        canonical=row["canonical"],
        created_at=row["created_at"],
        signed=json.loads(row["signed"]) if "signed" in row else None,
        traceparent=row["traceparent"],
    )
