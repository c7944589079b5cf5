"""Changing the key that signs tokens, without a moment in which a good token is refused."""

from __future__ import annotations

import time
from collections.abc import Callable

from cme_kit.problems import NotFound

from gateway.audit.domain import Act
from gateway.audit.service import SYSTEM, Audit
from gateway.oauth.keys import SigningKey, SigningKeys

#: How long the next key is published before it signs: longer than the key set may be cached (300 s), seconds.
LEAD_SECONDS = 600
DAY = 86_400.0


class Rotation:
    """The life of signing keys."""

    def __init__(self, keys: SigningKeys, audit: Audit, days: int, clock: Callable[[], float] = time.time) -> None:
        """A key is followed by the next one after `days`."""
        self._keys = keys
        self._audit = audit
        self._seconds = days * DAY
        self._clock = clock

    async def rotate(self, actor: str, lead_seconds: int = LEAD_SECONDS) -> SigningKey:
        """Make the next key, which signs after `lead_seconds`."""
        made = self._keys.add(lead_seconds)
        details = {"lead_seconds": str(lead_seconds)}
        await self._audit.record(Act.SIGNING_KEY_ADDED, actor=actor, subject=made.key_id, details=details)
        return made

    async def withdraw(self, key_id: str, actor: str) -> None:
        """Take back a key that leaked, with every token that it signed. Raises NotFound."""
        if not self._keys.withdraw(key_id):
            raise NotFound("signing key")
        await self._audit.record(Act.SIGNING_KEY_REMOVED, actor=actor, subject=key_id, details={"reason": "withdrawn"})

    async def tend(self) -> None:
        """Notice other replicas' keys, follow a key that is old enough, remove those that nobody needs any more."""
        self._keys.reload()
        newest = self._keys.all[-1]
        if newest.use_from and newest.use_from + self._seconds <= self._clock():
            await self.rotate(SYSTEM)
        for retired in self._keys.remove_retired():
            await self._audit.record(Act.SIGNING_KEY_REMOVED, actor=SYSTEM, subject=retired.key_id)
