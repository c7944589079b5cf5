"""The relay: publishes what the outbox holds, in the order of each aggregate, one replica at a time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import structlog
from cme_contracts.envelope import CONTENT_TYPE
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from opentelemetry.trace import SpanKind

from cme_kit.clock import Clock
from cme_kit.mongo import Database, Document, DuplicateKeyError, PyMongoError
from cme_kit.outbox import OUTBOX, Outbox
from cme_kit.telemetry import current_traceparent, span

LEASES = "leases"
BATCH = 200
POLL_SECONDS = 2.0
LEASE = timedelta(seconds=4)
log = structlog.get_logger(__name__)


class Relay:
    """Publishes the rows of one outbox in the order of each aggregate; one replica at a time holds the lease."""

    def __init__(self, database: Database, outbox: Outbox, jetstream: JetStreamContext, clock: Clock) -> None:
        self._outbox = outbox
        self._jetstream = jetstream
        self._clock = clock
        self._rows = database.collection(OUTBOX)
        self._leases = database.collection(LEASES)
        self._owner = uuid4().hex
        self._leading_until = clock.now()

    async def run(self) -> None:
        """Publish until cancelled: at once after a commit, every other second as the safety net."""
        while True:
            try:
                more = await self._leads() and await self.publish_batch() == BATCH
            except (PyMongoError, NatsError, OSError, TimeoutError) as error:
                log.warning("relay waits", error=type(error).__name__, detail=str(error)[:200])
                more = False
                await asyncio.sleep(0.5)
            if not more:
                with suppress(TimeoutError):  # the safety net: look again although nobody called
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._outbox.woken.wait()
                self._outbox.woken.clear()

    async def _leads(self) -> bool:
        now = self._clock.now()
        if self._leading_until - now > LEASE / 2:
            return True
        until = now + LEASE
        free = {"_id": "relay", "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]}
        try:
            await self._leases.update(free, {"$set": {"owner": self._owner, "until": until}}, upsert=True)
        except DuplicateKeyError:  # somebody else holds it, so the upsert found no match and could not insert
            return False
        self._leading_until = until
        return True

    async def publish_batch(self) -> int:
        """Publish the oldest unpublished rows; how many got through.

        A row is marked after the server's acknowledgement; a crash in between publishes it again under the same
        id, which the stream's deduplication and every inbox absorb.
        """
        rows = await self._rows.find({"published": False}, sort=[("created", 1)], limit=BATCH)
        lanes: dict[str, list[Document]] = {}
        for row in rows:
            lanes.setdefault(row["aggregate"], []).append(row)
        outcomes = await asyncio.gather(*(self._publish_lane(lane) for lane in lanes.values()), return_exceptions=True)
        published = [row_id for outcome in outcomes if isinstance(outcome, list) for row_id in outcome]
        if published:
            mark = {"$set": {"published": True, "published_at": self._clock.now()}}
            await self._rows.update_many({"_id": {"$in": published}}, mark)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(published)

    async def _publish_lane(self, lane: list[Document]) -> list[str]:
        published = []
        for row in sorted(lane, key=lambda row: int(row["sequence"])):
            try:
                await self._publish(row)
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("publish failed, will try again", event_id=row["_id"], error=type(error).__name__)
                break  # later rows of this aggregate wait for this one
            published.append(str(row["_id"]))
        return published

    async def _publish(self, row: Document) -> None:
        headers = {"Nats-Msg-Id": row["_id"], "content-type": CONTENT_TYPE}
        with span(
            f"publish {row['nats_subject']}",
            SpanKind.PRODUCER,
            traceparent=row["traceparent"],
            messaging__system="nats",
            messaging__destination__name=row["nats_subject"],
            messaging__message__id=row["_id"],
            cme__aggregate=row["aggregate"],
        ):
            if traceparent := current_traceparent():
                headers["traceparent"] = traceparent
            await self._jetstream.publish(row["nats_subject"], row["body"].encode(), timeout=5, headers=headers)
