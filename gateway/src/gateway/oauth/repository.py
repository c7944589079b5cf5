"""Codes, refresh tokens, consents, pushed requests and revocations; secrets only as fingerprints."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cme_kit.mongo import Database, Document, Index, Session

from gateway.oauth.domain import AuthorizationCode, PushedRequest, RefreshToken

CODES = "authorization_codes"
REFRESH_TOKENS = "refresh_tokens"
CONSENTS = "consents"
PUSHED = "pushed_requests"
REVOCATIONS = "revocations"
INDEXES = (
    Index(CODES, ("forgotten",), expire_seconds=0),
    Index(REFRESH_TOKENS, ("grant_expires",), expire_seconds=0),
    Index(REFRESH_TOKENS, ("grant_id", "used")),
    Index(CONSENTS, ("expires",), expire_seconds=0),
    Index(PUSHED, ("expires",), expire_seconds=0),
    Index(REVOCATIONS, ("expires",), expire_seconds=0),
)


class GrantRepository:
    """Everything that came of people's consents."""

    def __init__(self, database: Database) -> None:
        self._codes = database.collection(CODES)
        self._refresh_tokens = database.collection(REFRESH_TOKENS)
        self._consents = database.collection(CONSENTS)
        self._pushed = database.collection(PUSHED)
        self._revocations = database.collection(REVOCATIONS)

    async def push(self, key: str, request: PushedRequest) -> None:
        """Store a pushed request."""
        await self._pushed.insert({**vars(request), "_id": key})

    async def pushed(self, key: str) -> PushedRequest | None:
        """A pushed request, also when it is used or expired."""
        row = await self._pushed.find_one({"_id": key})
        return PushedRequest(**{name: value for name, value in row.items() if name != "_id"}) if row else None

    async def use_pushed(self, key: str, session: Session) -> bool:
        """Use up a pushed request; whether it was unused."""
        return await self._pushed.update({"_id": key, "used": False}, {"$set": {"used": True}}, session=session) == 1

    async def add_code(self, key: str, code: AuthorizationCode, forgotten: datetime, session: Session) -> None:
        """Store a new code."""
        row = _fields(code) | {"_id": key, "forgotten": forgotten}
        await self._codes.insert(row, session)

    async def code(self, key: str) -> AuthorizationCode | None:
        """A code, also when it is used or expired."""
        row = await self._codes.find_one({"_id": key})
        return AuthorizationCode(**_values(row, "forgotten")) if row else None

    async def use_code(self, key: str, session: Session) -> bool:
        """Use up a code; whether it was unused."""
        return await self._codes.update({"_id": key, "used": False}, {"$set": {"used": True}}, session=session) == 1

    async def add_refresh_token(self, key: str, token: RefreshToken, session: Session) -> None:
        """Store a new refresh token."""
        await self._refresh_tokens.insert(_fields(token) | {"_id": key}, session=session)

    async def refresh_token(self, key: str) -> RefreshToken | None:
        """A refresh token, also when it is used, expired or revoked."""
        row = await self._refresh_tokens.find_one({"_id": key})
        return RefreshToken(**_values(row)) if row else None

    async def use_refresh_token(self, key: str, session: Session) -> bool:
        """Use up a refresh token; whether it was good."""
        unused = {"_id": key, "used": False, "revoked": False}
        return await self._refresh_tokens.update(unused, {"$set": {"used": True}}, session=session) == 1

    async def revoke_family(self, grant_id: str, session: Session) -> None:
        """Revoke the refresh token of a grant that is not used yet: used ones are of no use, and may be thousands."""
        unused = {"grant_id": grant_id, "used": False}
        await self._refresh_tokens.update_many(unused, {"$set": {"revoked": True}}, session)

    async def consented(self, subject: str, client_id: str, now: datetime) -> frozenset[str]:
        """The scopes a person allowed a client."""
        row = await self._consents.find_one({"_id": f"{subject} {client_id}", "expires": {"$gt": now}})
        return frozenset(row["scopes"]) if row else frozenset()

    async def consent(
        self, subject: str, client_id: str, scopes: frozenset[str], expires: datetime, session: Session
    ) -> None:
        """Remember that a person allowed a client these scopes too."""
        update = {"$addToSet": {"scopes": {"$each": sorted(scopes)}}, "$set": {"expires": expires}}
        await self._consents.update({"_id": f"{subject} {client_id}"}, update, upsert=True, session=session)

    async def revoke(self, key: str, expires: datetime, session: Session) -> None:
        """Revoke the access tokens with this id or of this grant, which all expire by then."""
        await self._revocations.update({"_id": key}, {"$set": {"expires": expires}}, upsert=True, session=session)

    async def revocations(self, after: datetime) -> dict[str, datetime]:
        """Every revocation that may be forgotten only after a moment, with when."""
        rows = await self._revocations.find({"expires": {"$gt": after}})
        return {row["_id"]: row["expires"] for row in rows}


def _fields(value: AuthorizationCode | RefreshToken) -> Document:
    return {**vars(value), "scopes": sorted(value.scopes)}


def _values(row: Document, *without: str) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key != "_id" and key not in without}
    if "amr" in kept:
        kept["amr"] = tuple(kept["amr"])
    return {**kept, "scopes": frozenset(row["scopes"])}
