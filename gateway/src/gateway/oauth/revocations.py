"""Revoked access tokens, in memory: the edge asks for each request, replicas tell each other, the database knows all."""

from __future__ import annotations

from datetime import UTC, datetime

from cme_kit.clock import Clock
from cme_kit.notices import Notice, Notices

from gateway.oauth.repository import GrantRepository

#: The kind of notice.
REVOKED = "revoked"


class Revocations:
    """Ids of revoked tokens and grants. A token's id begins with its grant's id and a dot."""

    def __init__(self, repository: GrantRepository, notices: Notices, clock: Clock) -> None:
        self._repository = repository
        self._notices = notices
        notices.on(REVOKED, self._heard)
        self._clock = clock
        self._revoked: dict[str, datetime] = {}

    async def revoke(self, key: str, expires: datetime) -> None:
        """Revoke a token or a grant, whose last access token expires then."""
        await self._repository.revoke(key, expires)
        self._revoked[key] = expires
        await self._notices.tell(REVOKED, {"key": key, "expires": expires.timestamp()})

    def is_revoked(self, token_id: str | None) -> bool:
        """Whether a token, or the grant it came of, is revoked."""
        if not self._revoked or token_id is None:
            return False
        return token_id in self._revoked or token_id.partition(".")[0] in self._revoked

    async def refresh(self) -> None:
        """Read what is revoked."""
        self._revoked = await self._repository.revocations(self._clock.now())

    async def _heard(self, notice: Notice) -> None:
        self._revoked[str(notice["key"])] = datetime.fromtimestamp(float(notice["expires"]), UTC)
