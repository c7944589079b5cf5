"""The auditor: reads every record of every service and says which invariants hold.

It reads the databases and the streams themselves and asks no service, so that it also sees what a service does not
know about itself. It writes nothing.
"""

from __future__ import annotations

import asyncio

from cme_local.check import badges, erasure, events, learning, mailing, trail
from cme_local.check.reading import opened
from cme_local.check.records import Records
from cme_local.check.report import Invariant, Report

__all__ = ["Invariant", "Report", "audit", "run_check"]

#: Work under way is done or visibly stuck after this long.
SETTLES_WITHIN_S = 10.0
INVARIANTS = (
    *events.INVARIANTS,
    *learning.INVARIANTS,
    *badges.INVARIANTS,
    *mailing.INVARIANTS,
    *erasure.INVARIANTS,
    *trail.INVARIANTS,
)


def audit(records: Records) -> Report:
    """Every invariant over these records. Pure."""
    return Report(records.at, [look(records) for look in INVARIANTS])


async def run_check(
    mongo_url: str, nats_url: str, nats_user: str, nats_password: str, wait: float = SETTLES_WITHIN_S
) -> Report:
    """Audit a running platform; what looks broken is read again after `wait` seconds and told if it still is.

    Raises PyMongoError, nats' Error or OSError when an engine cannot be read.
    """
    async with opened(mongo_url, nats_url, nats_user, nats_password) as sources:
        report = audit(await sources.read())
        if not report.ok and wait > 0:
            await asyncio.sleep(wait)
            report = report.confirmed_by(audit(await sources.read()))
    return report
