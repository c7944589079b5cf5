"""How often something may be tried, by one client or for one mail address, counted for all replicas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cme_kit.clock import Clock
from cme_kit.problems import ServiceError, retry_after_seconds

from gateway.accounts.throttle_repository import ThrottleRepository
from gateway.peppered import Pepper


@dataclass(frozen=True)
class Limit:
    """At most so many in so long."""

    purpose: str
    most: int
    within: timedelta


#: Mails that may be asked for to one address, and from one client address.
MAILS_TO = Limit("mails to", 5, timedelta(days=1))
MAILS_FROM = Limit("mails from", 120, timedelta(hours=1))
#: Wrong passwords for any names from one client address; a whole office may share one.
FAILURES_FROM = Limit("failures from", 200, timedelta(minutes=15))
#: Challenges for passkeys, each of which is a row for five minutes.
CHALLENGES_FROM = Limit("challenges from", 600, timedelta(minutes=10))
#: Wrong passwords at the link of one sign-up.
CONFIRMATIONS = Limit("confirmations", 10, timedelta(days=1))


class TooManyTries(ServiceError):
    """Somebody has to wait."""

    code, status = "too_many_requests", 429

    def __init__(self, seconds: float) -> None:
        super().__init__("Wait, then try again.", headers={"Retry-After": retry_after_seconds(seconds)})


class Throttle:
    """Counts tries. Whom they were about is kept as a keyed hash only."""

    def __init__(self, repository: ThrottleRepository, pepper: Pepper, clock: Clock) -> None:
        self._repository = repository
        self._pepper = pepper
        self._clock = clock

    async def take(self, limit: Limit, key: str) -> float:
        """Count one try; 0 when it may go on, else the seconds after which it may."""
        now = self._clock.now()
        count, ends = await self._repository.count(self._key(limit, key), now, now + limit.within)
        return (ends - now).total_seconds() if count > limit.most else 0.0

    async def wait(self, limit: Limit, key: str) -> float:
        """The same without counting: 0, or the seconds to wait after as many tries as there may be."""
        now = self._clock.now()
        count, ends = await self._repository.read(self._key(limit, key), now)
        return (ends - now).total_seconds() if count >= limit.most else 0.0

    def _key(self, limit: Limit, key: str) -> str:
        return self._pepper.derive("throttle", limit.purpose, key)
