"""Revoked access tokens, in memory: the edge asks for each request, the database is asked once a second."""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog
from cme_kit.clock import Clock
from cme_kit.mongo import PyMongoError

from gateway.oauth.repository import GrantRepository

#: Another replica's revocation holds here after so many seconds.
POLL_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Revocations:
    """Ids of revoked tokens and grants. A token's id begins with its grant's id and a dot."""

    def __init__(self, repository: GrantRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._revoked: dict[str, datetime] = {}

    async def revoke(self, key: str, expires: datetime) -> None:
        """Revoke a token or a grant, whose last access token expires then."""
        await self._repository.revoke(key, expires)
        self._revoked[key] = expires

    def is_revoked(self, token_id: str | None) -> bool:
        """Whether a token, or the grant it came of, is revoked."""
        if not self._revoked or token_id is None:
            return False
        return token_id in self._revoked or token_id.partition(".")[0] in self._revoked

    async def refresh(self) -> None:
        """Read what is revoked."""
        self._revoked = await self._repository.revocations(self._clock.now())

    async def follow(self) -> None:
        """Read again and again; while the database is away, what is known stays."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.refresh()
            except PyMongoError as error:
                log.warning("revocations not read", error=type(error).__name__)
