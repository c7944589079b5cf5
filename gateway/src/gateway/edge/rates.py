"""Fourth policy: how often. The generic cell rate algorithm, in this process, per caller and group of routes.

Replicas each count for themselves: the limit protects a service from one caller, it is no quota.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from cme_kit.problems import ServiceError, retry_after_seconds

#: Callers that are remembered; those that are back at a full allowance are forgotten first.
MOST_CALLERS = 20_000


class TooManyRequests(ServiceError):
    """The caller is over its rate (RFC 6585 section 4)."""

    code, status = "too_many_requests", 429


@dataclass(frozen=True)
class Allowance:
    """What is left, for the RateLimit header (Internet-Draft httpapi-ratelimit-headers-10)."""

    remaining: int
    reset_seconds: int


class Rates:
    """One theoretical arrival time per caller (ITU-T I.371 annex A)."""

    def __init__(self, per_second: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._tolerance = burst / per_second
        self._clock = clock
        self._arrivals: dict[str, float] = {}
        self.policy = f'"default";q={burst};w={max(1, math.ceil(self._tolerance))}'.encode()

    def take(self, caller: str) -> Allowance:
        """Count one request. Raises TooManyRequests with the time to wait."""
        now = self._clock()
        arrival = max(self._arrivals.get(caller, now), now) + self._interval
        ahead = arrival - now
        if ahead > self._tolerance:
            wait = ahead - self._tolerance
            headers = {
                "Retry-After": retry_after_seconds(wait),
                "RateLimit-Policy": self.policy.decode(),
                "RateLimit": f'"default";r=0;t={math.ceil(wait)}',
            }
            raise TooManyRequests("You send more requests than agreed. Wait as Retry-After says.", headers=headers)
        self._arrivals[caller] = arrival
        if len(self._arrivals) > MOST_CALLERS:
            self._forget(now)
        return Allowance(int((self._tolerance - ahead) / self._interval), math.ceil(ahead))

    def _forget(self, now: float) -> None:
        self._arrivals = {caller: arrival for caller, arrival in self._arrivals.items() if arrival > now}
