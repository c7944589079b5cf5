"""What people allowed, and its end: a grant's codes, refresh tokens and access tokens."""

from __future__ import annotations

from cme_kit.clock import Clock

from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.oauth.domain import ACCESS_TOKEN_LIFETIME, AuthorizationCode, RefreshToken
from gateway.oauth.repository import GrantRepository
from gateway.oauth.revocations import Revocations
from gateway.peppered import fingerprint


class Grants:
    """Grants by what they gave out, and revoking them."""

    def __init__(self, repository: GrantRepository, revocations: Revocations, audit: Audit, clock: Clock) -> None:
        self.repository = repository
        self._revocations = revocations
        self._audit = audit
        self._clock = clock

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
        """End everything that came of a grant."""
        await self.repository.revoke_family(grant_id)
        await self._end(grant_id)
        await self._audit.record(act, actor=actor, subject=grant_id)

    async def revoke_token(self, token_id: str, actor: str) -> None:
        """End one access token."""
        await self._end(token_id)
        await self._audit.record(Act.TOKEN_REVOKED, actor=actor, subject=token_id)

    async def _end(self, key: str) -> None:
        await self._revocations.revoke(key, self._clock.now() + ACCESS_TOKEN_LIFETIME)
