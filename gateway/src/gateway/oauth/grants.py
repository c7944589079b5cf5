"""What people allowed, and its end: a grant's codes, refresh tokens and access tokens."""

from __future__ import annotations

from cme_kit.mongo import Database, Session

from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.oauth.domain import AuthorizationCode, RefreshToken
from gateway.oauth.repository import GrantRepository
from gateway.oauth.revocations import Revocations
from gateway.peppered import fingerprint


class Grants:
    """Grants by what they gave out, and revoking them."""

    def __init__(self, repository: GrantRepository, revocations: Revocations, audit: Audit, database: Database) -> None:
        self.repository = repository
        self._revocations = revocations
        self._audit = audit
        self._database = database

    async def code(self, code: str) -> AuthorizationCode | None:
        """A code, also when it is used or expired."""
        return await self.repository.code(fingerprint(code))

    async def refresh_token(self, token: str) -> RefreshToken | None:
        """A refresh token, also when it is used, expired or revoked."""
        return await self.repository.refresh_token(fingerprint(token))

    def is_revoked(self, token_id: str | None) -> bool:
        """Whether an access token, or the grant it came of, is revoked."""
        return self._revocations.is_revoked(token_id)

    async def revoke(self, grant_id: str, act: Act, actor: str) -> None:
        """End everything that came of a grant; one that was ended already stays so."""
        await self._end(grant_id, act, actor, grant_id)

    async def revoke_token(self, token_id: str, actor: str) -> None:
        """End one access token and what it was exchanged for; one that was ended already stays so."""
        await self._end(token_id, Act.TOKEN_REVOKED, actor)

    async def _end(self, key: str, act: Act, actor: str, grant_id: str | None = None) -> None:
        if self._revocations.is_revoked(key):
            return
        until = self._revocations.lasts_until()

        async def in_one(session: Session) -> None:
            if grant_id is not None:
                await self.repository.revoke_family(grant_id, session)
            await self._revocations.store(key, until, session)
            await self._audit.record(act, actor=actor, subject=key, session=session)

        await self._database.in_transaction(in_one)
        await self._revocations.announce(key, until)
