"""The policy of quotas: how much in a day. Counted per client and group of routes, common to all replicas."""

from __future__ import annotations

from cme_kit.problems import ServiceError

from gateway.edge.allowances import Bounds
from gateway.usage.domain import Place
from gateway.usage.ledger import Ledger


class QuotaExceeded(ServiceError):
    """The client has used what it may in a day."""

    code, status = "quota_exceeded", 429


def take(ledger: Ledger, place: Place, bounds: Bounds) -> bytes:
    """Count one request; what is left of the day, as an item of the RateLimit header. Raises QuotaExceeded."""
    left = bounds.per_day - ledger.used(place)
    seconds = ledger.seconds_left()
    if left <= 0:
        headers = {"Retry-After": str(seconds), "RateLimit": f'"daily";r=0;t={seconds}'}
        raise QuotaExceeded(
            "You have used what was agreed for today (UTC). It begins again at midnight.", headers=headers
        )
    ledger.use(place)
    return b'"daily";r=%d;t=%d' % (left - 1, seconds)
