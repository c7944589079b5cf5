"""The policy of rates: how often. The generic cell rate algorithm, in this process, per caller and group of routes.

Replicas each count for themselves: the rate protects a service from one caller. The quota of a day is common to all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from cme_kit.problems import ServiceError, retry_after_seconds

from gateway.edge.allowances import Bounds

#: Callers that are remembered; those that are back at a full allowance are forgotten first.
MOST_CALLERS = 20_000


class TooManyRequests(ServiceError):
    """The caller is over its rate (RFC 6585 section 4)."""

    code, status = "too_many_requests", 429


class Rates:
    """One theoretical arrival time per caller (ITU-T I.371 annex A)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrivals: dict[str, float] = {}
        self._most = MOST_CALLERS

    def take(self, caller: str, bounds: Bounds) -> bytes:
        """Count one request; what is left, as an item of the RateLimit header. Raises TooManyRequests."""
        now = self._clock()
        arrival = max(self._arrivals.get(caller, now), now) + bounds.interval
        ahead = arrival - now
        if ahead > bounds.tolerance:
            wait = ahead - bounds.tolerance
            headers = {"Retry-After": retry_after_seconds(wait), "RateLimit": f'"default";r=0;t={math.ceil(wait)}'}
            raise TooManyRequests("You send more requests than agreed. Wait as Retry-After says.", headers=headers)
        self._arrivals[caller] = arrival
        if len(self._arrivals) > self._most:
            self._forget(now)
        return b'"default";r=%d;t=%d' % ((bounds.tolerance - ahead) / bounds.interval, math.ceil(ahead))

    def _forget(self, now: float) -> None:
        self._arrivals = {caller: arrival for caller, arrival in self._arrivals.items() if arrival > now}
        # Not at each request again when that many are below their full allowance.
        self._most = max(MOST_CALLERS, 2 * len(self._arrivals))
