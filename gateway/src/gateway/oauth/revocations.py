"""Revoked access tokens, in memory: the edge asks for each request, replicas tell each other, the database knows all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cme_kit.clock import Clock
from cme_kit.mongo import Session
from cme_kit.notices import Notice, Notices

from gateway.oauth.domain import ACCESS_TOKEN_LIFETIME, REVOKED_FOR
from gateway.oauth.repository import GrantRepository

#: The kind of notice.
REVOKED = "revoked"
#: What was revoked is looked for this far back, for clocks that differ and transactions that take their time.
OVERLAP = timedelta(minutes=1)


class Revocations:
    """Ids of revoked tokens and grants. A token's id begins with the ids of what it came of, each with a dot."""

    def __init__(self, repository: GrantRepository, notices: Notices, clock: Clock) -> None:
        self._repository = repository
        self._notices = notices
        notices.on(REVOKED, self._heard)
        self._clock = clock
        self._revoked: dict[str, datetime] = {}
        #: Every revocation that ends at this moment or earlier is known here.
        self._known_until = datetime.min.replace(tzinfo=UTC)

    def lasts_until(self) -> datetime:
        """When a revocation of this moment may be forgotten: its last access token has expired then."""
        return self._clock.now() + REVOKED_FOR

    async def store(self, key: str, expires: datetime, session: Session) -> None:
        """Revoke a token or a grant in the caller's transaction; `announce` it after the commit."""
        await self._repository.revoke(key, expires, session)

    async def announce(self, key: str, expires: datetime) -> None:
        """Make a stored revocation hold here at once, and in the other replicas as soon as they hear of it."""
        self._revoked[key] = expires
        await self._notices.tell(REVOKED, {"key": key, "expires": expires.timestamp()})

    def is_revoked(self, token_id: str | None) -> bool:
        """Whether a token, or one that it came of, or its grant, is revoked: each id begins with those before it."""
        if not self._revoked or token_id is None:
            return False
        end = token_id.find(".")
        while end >= 0:
            if token_id[:end] in self._revoked:
                return True
            end = token_id.find(".", end + 1)
        return token_id in self._revoked

    async def refresh(self) -> None:
        """Read what was revoked since the last time, and forget what has expired by itself."""
        now = self._clock.now()
        found = await self._repository.revocations(max(now, self._known_until))
        self._known_until = now + ACCESS_TOKEN_LIFETIME - OVERLAP
        # Nothing is taken away: what was revoked here while the database was read may not be among what it found.
        self._revoked = {key: until for key, until in (self._revoked | found).items() if until > now}

    async def _heard(self, notice: Notice) -> None:
        self._revoked[str(notice["key"])] = datetime.fromtimestamp(float(notice["expires"]), UTC)
