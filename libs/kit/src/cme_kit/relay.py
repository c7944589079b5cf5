"""The relay: publishes what the outbox holds, in the order of each aggregate, one replica at a time.

What this process commits is handed over in memory; the database stays the truth and is read for everything else:
rows of another replica, rows that a crash or an outage left. A row is published only when every earlier one of its
aggregate was.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from cme_contracts.envelope import CONTENT_TYPE
from nats.aio.client import Client
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NoStreamResponseError
from opentelemetry.trace import SpanKind

from cme_kit import metrics
from cme_kit.clock import Clock
from cme_kit.failpoints import failpoint
from cme_kit.ids import ids_in
from cme_kit.leases import Lease
from cme_kit.mongo import Database, Document, PyMongoError
from cme_kit.outbox import OUTBOX, Outbox
from cme_kit.telemetry import current_traceparent, span

#: Rows that are read at once: the embedded database sorts all that wait for each reading.
BATCH = 5000
#: Publishes that wait for the broker's acknowledgement at once.
IN_FLIGHT = 200
POLL_SECONDS = 2.0
#: Marks of published rows are written together, at most this long after the first of them.
MARK_SECONDS = 0.05
#: … and at most so many: on the embedded database a longer list of ids costs more for each of them.
MARKED_TOGETHER = 100
DRAIN_SECONDS = 5.0
#: By how much the clocks of replicas differ at the most. More would cost order, which the inboxes restore.
CLOCKS_DIFFER = timedelta(seconds=30)
#: Aggregates whose newest published sequence is remembered.
REMEMBERED = 10_000
#: Ids of an event that its span names, so that a trace is found by the id of anybody it concerns.
MOST_IDS = 16
WAITING = {"published": False}
log = structlog.get_logger(__name__)


class Relay:
    """Publishes the rows of one outbox; one replica at a time holds the lease."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        nats: Client,
        jetstream: JetStreamContext,
        clock: Clock,
        restore: Callable[[], Awaitable[object]],
    ) -> None:
        """`restore` makes a stream that is gone again and has its rows published anew."""
        self._outbox = outbox
        self._nats = nats
        self._jetstream = jetstream
        self._clock = clock
        self._restore = restore
        self._rows = database.collection(OUTBOX)
        self._lease = Lease(database, "relay", clock)
        self._call = f"cme.relay.{database.service}"
        self._turn = asyncio.Lock()
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        #: The newest sequence of an aggregate that this process published.
        self._reached: OrderedDict[str, int] = OrderedDict()
        self._unmarked: list[str] = []
        self._mark_at = 0.0
        #: Whether rows may wait that were not handed over: read the database.
        self._look = True
        self._measured_at = 0.0
        self._drained = False

    async def run(self) -> None:
        """Publish until cancelled: at once after a commit, every other second as the safety net."""
        await self._nats.subscribe(self._call, cb=self._called)
        while not self._drained:
            try:
                async with self._turn:
                    await self._publish_what_waits()
            except NoStreamResponseError:
                await self._restore_streams()
            except (PyMongoError, NatsError, OSError, TimeoutError) as error:
                log.warning("relay waits", error=type(error).__name__, detail=str(error)[:200])
                self._look = True
                await asyncio.sleep(0.5)
            await self._rest()

    async def drain(self) -> None:
        """Publish and mark what is left, within DRAIN_SECONDS, then let another replica lead.

        What an engine that is away keeps from being published stays in the outbox for the next leader.
        """
        self._drained = True
        try:
            async with asyncio.timeout(DRAIN_SECONDS), self._turn:
                await self._publish_what_waits()
                await self._mark()
                await self._lease.give_up()
        except (PyMongoError, NatsError, OSError, TimeoutError) as error:
            log.warning("what is left waits for the next leader", error=type(error).__name__)
        metrics.LEADS.set(0)

    async def _called(self, _: object) -> None:
        """Another replica committed something."""
        self._look = True
        self._outbox.woken.set()

    async def _rest(self) -> None:
        """Wait for a commit, for the time to mark, or for the safety net."""
        if self._look:
            return
        wait = min(POLL_SECONDS, self._mark_at - time.monotonic()) if self._unmarked else POLL_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._outbox.woken.wait()
        if not self._outbox.woken.is_set() and not self._unmarked:
            self._look = True  # nobody called: the safety net
        self._outbox.woken.clear()

    async def _publish_what_waits(self) -> None:
        fresh = self._outbox.take_fresh()
        if self._unmarked and (self._look or time.monotonic() >= self._mark_at):
            await self._mark()
        if not await self._leads():
            await self._leave_to_the_leader(called=fresh is None or bool(fresh))
            return
        if fresh is None or not all(map(self._follows, _firsts(fresh))):
            self._look = True
        elif not self._look:
            await self._publish_all(fresh)
        if self._look:
            self._look = await self.publish_batch()

    async def _leave_to_the_leader(self, *, called: bool) -> None:
        self._look = False
        if called:
            await self._nats.publish(self._call)
        if time.monotonic() - self._measured_at >= POLL_SECONDS:
            self._measured_at = time.monotonic()
            self._outbox.pending = await self._rows.count(WAITING)

    def _follows(self, row: Document) -> bool:
        """Whether everything of the aggregate before this row is known to be published."""
        return bool(row["sequence"] == 1 or self._reached.get(row["aggregate"]) == row["sequence"] - 1)

    async def _leads(self) -> bool:
        """Whether this replica is the one that publishes."""
        term = self._lease.terms
        leads = await self._lease.held()
        metrics.LEADS.set(leads)
        if self._lease.terms != term:  # another replica may have published meanwhile
            self._reached.clear()
            self._look = True
        return leads

    async def publish_batch(self) -> bool:
        """Publish the oldest unpublished rows of the database; whether more of them wait.

        A row is marked after the server's acknowledgement, while the next ones are published; a crash in between
        publishes it again under the same id, which the stream's deduplication and every inbox absorb.
        """
        rows = await self._rows.find(WAITING, sort=[("created", 1)], limit=BATCH)
        complete = len(rows) < BATCH
        if complete:
            self._outbox.pending = len(rows)
        elif self._outbox.pending < BATCH:
            self._outbox.pending = await self._rows.count(WAITING)
        until = None if complete else rows[-1]["created"] - CLOCKS_DIFFER
        over = asyncio.Event()

        async def publish() -> int:
            try:
                return await self._publish_all(rows, until)
            finally:
                over.set()

        published, marked = await asyncio.gather(publish(), self._mark_until(over), return_exceptions=True)
        for outcome in (published, marked):
            if isinstance(outcome, BaseException):
                raise outcome
        # Nothing got through when all wait for others: looking again at once would not help.
        return not complete and bool(published)

    async def _mark_until(self, over: asyncio.Event) -> None:
        """Mark what is published, and keep the lease, until no more will be."""
        while not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(MARK_SECONDS):
                    await over.wait()
            await self._mark()

    async def _publish_all(self, rows: list[Document], until: datetime | None = None) -> int:
        """Publish rows, each aggregate's in order; how many. Raises the first failure, after which nothing is begun.

        Of rows created after `until`, a predecessor may be waiting and not be among them.
        """
        if rows and not self._nats.is_connected:
            raise ConnectionClosedError
        lanes: dict[str, list[Document]] = {}
        for row in rows:
            lanes.setdefault(row["aggregate"], []).append(row)
        failed = asyncio.Event()
        publishing = (self._publish_lane(lane, until, failed) for lane in lanes.values())
        outcomes = await asyncio.gather(*publishing, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return sum(outcome for outcome in outcomes if isinstance(outcome, int))

    async def _publish_lane(self, lane: list[Document], until: datetime | None, failed: asyncio.Event) -> int:
        lane.sort(key=lambda row: int(row["sequence"]))
        if until and lane[0]["created"] > until and not self._follows(lane[0]) and await self._earlier_waits(lane[0]):
            return 0
        for row in lane:
            async with self._in_flight:
                if failed.is_set():
                    break
                try:
                    await self._publish(row)
                except BaseException:
                    failed.set()
                    raise
            self._note_published(row)
        return len(lane)

    async def _earlier_waits(self, row: Document) -> bool:
        """Whether a row's predecessor waits outside the batch, committed by a replica whose clock is ahead."""
        before = {"aggregate": row["aggregate"], "sequence": row["sequence"] - 1, "published": False}
        return await self._rows.find_one(before) is not None

    def _note_published(self, row: Document) -> None:
        self._reached[row["aggregate"]] = row["sequence"]
        self._reached.move_to_end(row["aggregate"])
        if len(self._reached) > REMEMBERED:
            self._reached.popitem(last=False)
        if not self._unmarked:
            self._mark_at = time.monotonic() + MARK_SECONDS
        self._unmarked.append(str(row["_id"]))
        metrics.PUBLISHED.inc()

    async def _mark(self) -> None:
        while self._unmarked:
            ids = self._unmarked[:MARKED_TOGETHER]
            await self._rows.update_many(
                {"_id": {"$in": ids}}, {"$set": {"published": True, "published_at": self._clock.now()}}
            )
            del self._unmarked[: len(ids)]
            self._outbox.pending -= len(ids)
            await self._leads()

    async def _publish(self, row: Document) -> None:
        headers = {"Nats-Msg-Id": row.get("message_id", row["_id"]), "content-type": CONTENT_TYPE}
        attributes = {
            "messaging.system": "nats",
            "messaging.destination.name": row["nats_subject"],
            "messaging.message.id": row["_id"],
            "cme.aggregate": row["aggregate"],
            "cme.ids": ids_in(row["body"])[:MOST_IDS],
        }
        with span(f"publish {row['nats_subject']}", SpanKind.PRODUCER, attributes, traceparent=row["traceparent"]):
            if traceparent := current_traceparent():
                headers["traceparent"] = traceparent
            try:
                await self._jetstream.publish(row["nats_subject"], row["body"].encode(), timeout=5, headers=headers)
            except (NatsError, OSError, TimeoutError):
                metrics.PUBLISH_FAILURES.inc()
                raise
            await failpoint("relay.acknowledged")

    async def _restore_streams(self) -> None:
        self._look = True
        try:
            await self._restore()
        except (PyMongoError, NatsError, OSError, TimeoutError) as error:
            log.warning("relay waits for its stream", error=type(error).__name__)
            await asyncio.sleep(0.5)


def _firsts(rows: list[Document]) -> list[Document]:
    """The first row of each aggregate."""
    firsts: dict[str, Document] = {}
    for row in rows:
        known = firsts.setdefault(row["aggregate"], row)
        if row["sequence"] < known["sequence"]:
            firsts[row["aggregate"]] = row
    return list(firsts.values())
