"""Signed-in browsers: begun, used, listed, ended."""

from __future__ import annotations

import secrets
from datetime import datetime

from cme_kit.clock import Clock
from cme_kit.mongo import Session

from gateway.accounts.domain import SEEN_PRECISION, SESSION_IDLE, SESSION_LENGTH, BrowserSession, Method, Visit
from gateway.accounts.repository import SessionRepository
from gateway.audit.domain import Act
from gateway.audit.service import Audit
from gateway.peppered import fingerprint


class Sessions:
    """Every session of every person."""

    def __init__(self, repository: SessionRepository, audit: Audit, clock: Clock) -> None:
        self._repository = repository
        self._audit = audit
        self._clock = clock

    async def begin(
        self, subject: str, method: Method, visit: Visit, *, issuer: str | None = None, instead_of: str | None = None
    ) -> tuple[str, BrowserSession]:
        """A new session's cookie, always a fresh one (OWASP ASVS 5.0, 7.2.4); the browser's session before it ends."""
        now = self._clock.now()
        cookie = secrets.token_urlsafe(32)
        ends = now + SESSION_LENGTH
        session = BrowserSession(fingerprint(cookie), subject, method, issuer, visit, now, now, ends)
        details = {"method": method.value, **({"issuer": issuer} if issuer else {})}
        # Recorded first, so that there is no session without its entry.
        await self._audit.record(Act.SIGNED_IN, actor=subject, subject=subject, details=details)
        await self._repository.add(session, self._expiry(session, now))
        if instead_of:
            await self._repository.remove(fingerprint(instead_of))
        return cookie, session

    async def current(self, cookie: str) -> BrowserSession | None:
        """The session of a cookie, unless it ended."""
        now = self._clock.now()
        session = await self._repository.find(fingerprint(cookie), now)
        if session is not None and now - session.last_seen >= SEEN_PRECISION:
            await self._repository.seen(session.key, now, self._expiry(session, now))
        return session

    async def of(self, subject: str) -> list[BrowserSession]:
        """A person's sessions, the newest first."""
        return await self._repository.of(subject, self._clock.now())

    async def sign_out(self, cookie: str) -> None:
        """End the session of a cookie."""
        session = await self._repository.find(fingerprint(cookie), self._clock.now())
        if session is not None:
            await self.end(session.subject, session.key)

    async def end(self, subject: str, key: str) -> bool:
        """End one session of a person; whether there was one."""
        ended = await self._repository.end(subject, key)
        if ended:
            await self._audit.record(Act.SESSION_ENDED, actor=subject, subject=subject, details={"sessions": "1"})
        return ended

    async def end_all(self, subject: str, *, except_key: str | None = None, tx: Session | None = None) -> int:
        """End a person's sessions, all or all but one; how many there were."""
        ended = await self._repository.end_all(subject, except_key, tx)
        if ended:
            details = {"sessions": str(ended)}
            await self._audit.record(Act.SESSION_ENDED, actor=subject, subject=subject, details=details, session=tx)
        return ended

    def _expiry(self, session: BrowserSession, now: datetime) -> datetime:
        return min(session.ends, now + SESSION_IDLE)
