"""What clients asked for: recorded beside the requests, read by the portal."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from cme_kit.clock import Clock
from cme_kit.mongo import PyMongoError

from gateway.usage.domain import Daily, RecordedRequest
from gateway.usage.ledger import Ledger
from gateway.usage.repository import CHUNK, UsageRepository

#: How often counts and requests are stored; a killed process forgets no more than this.
EVERY_SECONDS = 2.0
#: Storing takes at most this part of the time: with thousands of busy clients it is done less often.
PART = 0.1
#: Requests of one client, and of all, that are kept between two times; a flood is counted in full and kept in part.
MOST_OF_A_CLIENT = 100
MOST = 2_000
log = structlog.get_logger(__name__)


class Seen(NamedTuple):
    """A request as the edge saw it, before anything is worked out."""

    ended: float
    method: str
    #: As it was asked for, without the query.
    path: str
    prefix: str
    row: str
    secret: bool
    status: int
    seconds: float
    trace_id: int
    problem: str | None


class Usage:
    """Counts and recent requests of every client."""

    def __init__(
        self, repository: UsageRepository, ledger: Ledger, template_of: Callable[[str], str | None], clock: Clock
    ) -> None:
        """`template_of` finds the described path that a path falls under."""
        self._repository = repository
        self._ledger = ledger
        self._template_of = template_of
        self._clock = clock
        self._recent: dict[str, deque[Seen]] = {}
        self._kept = 0
        self._storing = asyncio.Lock()

    def record(self, client_id: str, seen: Seen) -> None:
        """Keep a request until the next flush; of a flood the latest ones."""
        recent = self._recent.get(client_id)
        if recent is None:
            if self._kept >= MOST:
                return
            recent = self._recent[client_id] = deque(maxlen=MOST_OF_A_CLIENT)
        if self._kept >= MOST and recent:
            recent.popleft()
            self._kept -= 1
        elif len(recent) == MOST_OF_A_CLIENT:
            self._kept -= 1
        recent.append(seen)
        self._kept += 1

    async def flush(self) -> None:
        """Store what was counted and recorded. Counts that cannot be stored now are kept, recorded requests are not."""
        async with self._storing:
            recent, self._recent, self._kept = self._recent, {}, 0
            rows = [(client_id, seen) for client_id, requests in recent.items() for seen in requests]
            try:
                await self._ledger.settle()
                # A part at a time: to work out two thousand at once would hold up everybody's requests for 20 ms.
                for begin in range(0, len(rows), CHUNK):
                    part = rows[begin : begin + CHUNK]
                    await self._repository.store([(client_id, self._worked_out(seen)) for client_id, seen in part])
            except PyMongoError as error:
                log.warning("usage not stored", error=type(error).__name__, requests=len(rows))

    async def follow(self) -> None:
        """Flush again and again."""
        while True:
            began = time.monotonic()
            await self.flush()
            await asyncio.sleep(max(EVERY_SECONDS, (time.monotonic() - began) / PART))

    async def requests_of(
        self, client_id: str, before: str | None = None, limit: int = 50, status_class: int | None = None
    ) -> list[RecordedRequest]:
        """A client's recent requests, the newest first; `before` is the `record_id` of the last one of the page before.

        `status_class` is the first digit of the status.
        """
        await self.flush()
        return await self.stored_requests_of(client_id, before, limit, status_class)

    async def stored_requests_of(
        self, client_id: str, before: str | None = None, limit: int = 50, status_class: int | None = None
    ) -> list[RecordedRequest]:
        """Those of them that are stored: for many clients, `flush` once before."""
        return await self._repository.requests_of(client_id, before, limit, status_class)

    async def used_today(self, client_id: str) -> dict[str, int]:
        """What of today counts towards a client's quotas, by group of routes."""
        await self.flush()
        return await self._repository.used_of(client_id, self._clock.today())

    async def daily_of(self, client_id: str, days: int = 30) -> list[Daily]:
        """A client's last days with requests, the newest first, today included."""
        await self.flush()
        return await self._repository.days_of(client_id, self._clock.today() - timedelta(days=days - 1))

    def _worked_out(self, seen: Seen) -> RecordedRequest:
        path = seen.path
        template = self._template_of(path)
        return RecordedRequest(
            record_id=f"{int(seen.ended * 1_000_000):016d}-{secrets.token_hex(4)}",
            at=datetime.fromtimestamp(int(seen.ended * 1000) / 1000, UTC),
            method=seen.method,
            path=None if seen.secret else seen.prefix + path,
            template=seen.prefix + (template or seen.row),
            status=seen.status,
            duration_ms=round(seen.seconds * 1000, 2),
            trace_id=f"{seen.trace_id:032x}",
            problem=seen.problem,
        )
