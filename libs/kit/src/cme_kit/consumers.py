"""Consumers: each event is applied once, in the order of its aggregate, with retries and dead letters.

Raw nats-py pull consumers. A message is held, with signs of life to the server, until its outcome is certain: applied,
found applied before, or buried as a dead letter. One that has to wait holds up its aggregate, nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from opentelemetry.trace import SpanKind

from cme_kit import metrics
from cme_kit.dead_letters import DeadLetters
from cme_kit.early import EarlyEvents, Held
from cme_kit.failpoints import failpoint
from cme_kit.inbox import Applied, Early, Inbox
from cme_kit.mongo import BulkWriteError, Database, DuplicateKeyError, PyMongoError, is_passing
from cme_kit.outbox import OutboxFull
from cme_kit.pulling import Pull
from cme_kit.streams import ACK_WAIT, MAX_DELIVER, provision_consumer
from cme_kit.subscriptions import NotYet, Subscription, Subscriptions, Unreadable, on
from cme_kit.telemetry import mark_failed, span

__all__ = ["Consumers", "NotYet", "Subscription", "on"]

#: Seconds to wait before attempt 2, 3, …; after the last one the message is a dead letter.
RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
#: Deliveries without an outcome, each ended by a killed process, after which a message is suspected of killing it.
SUSPECT_DELIVERIES = MAX_DELIVER - 10
#: After an engine was away.
ENGINE_PAUSE = 0.1
#: After a handler wanted to state an event while too many wait for the broker.
OUTBOX_PAUSE = 1.0
#: Transactions at once; more of them only wait for each other in the database.
CONCURRENCY = 8
ENGINE_ERRORS = (PyMongoError, NatsError, OSError, TimeoutError)
log = structlog.get_logger(__name__)


class Consumers:
    """All subscriptions of one service, one durable pull consumer per stream they come from."""

    def __init__(
        self,
        service: str,
        database: Database,
        nats: Client,
        jetstream: JetStreamContext,
        subscriptions: Subscriptions,
        inbox: Inbox,
        dead_letters: DeadLetters,
    ) -> None:
        self._service = service
        self._database = database
        self._nats = nats
        self._jetstream = jetstream
        self._subscriptions = subscriptions
        self._inbox = inbox
        self._dead_letters = dead_letters
        self._early = EarlyEvents(service, jetstream, subscriptions, dead_letters)
        # Looking a label up costs more than counting.
        self._figures = {s: (metrics.APPLIED.labels(s), metrics.APPLYING.labels(s)) for s in subscriptions.streams}
        self._attached: set[str] = set()
        self._readers: set[asyncio.Task[object]] = set()
        self._held: dict[tuple[str, int], Held] = {}
        self._lanes: dict[str, deque[Held]] = {}
        self._ready: asyncio.Queue[deque[Held]] = asyncio.Queue()
        self._busy: set[Held] = set()
        self._quiet = asyncio.Event()
        self._draining = False
        self._probing = asyncio.Lock()

    @property
    def attached(self) -> bool:
        """Whether every consumer exists and is being read."""
        return self._attached == set(self._subscriptions.streams)

    @property
    def streams(self) -> list[str]:
        """The streams to consume from."""
        return list(self._subscriptions.streams)

    def tasks(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """What has to run beside the requests, by name."""
        for stream in self._subscriptions.streams:
            yield f"consume {stream}", partial(self._consume, stream)
        for number in range(CONCURRENCY):
            yield f"apply {number}", self._work
        yield "hold messages", self._keep_alive

    async def drain(self, seconds: float) -> None:
        """Take nothing new, hand back what is not begun, let what is begun end and be acknowledged, for `seconds`."""
        self._draining = True
        reading = set(self._readers)
        while reading:  # again and again: on Python 3.11 `wait_for`, which nats-py uses, can swallow a cancellation
            for reader in reading:
                reader.cancel()
            _, reading = await asyncio.wait(reading, timeout=0.5)
        for held in list(self._held.values()):
            if held not in self._busy:
                self._lanes[held.lane].remove(held)
                with suppress(NatsError):  # then it is delivered again after ACK_WAIT
                    await held.message.nak()
        self._quiet.clear()
        if not self._busy:
            return
        with suppress(TimeoutError):  # what is not done now is delivered again and finds its inbox row, or none
            async with asyncio.timeout(seconds):
                await self._quiet.wait()

    async def _consume(self, stream: str) -> None:
        if (task := asyncio.current_task()) is not None:
            self._readers.add(task)
        while not self._draining:
            try:
                subjects = self._subscriptions.streams[stream]
                await provision_consumer(self._jetstream, stream, self._service, subjects)
                self._attached.add(stream)
                # Not bounded here: the server keeps back what exceeds MAX_ACK_PENDING of one stream.
                await Pull(self._nats, stream, self._service, partial(self._hold, stream)).run()
            except NotFoundError:  # the owning service has not made its stream yet, or the server lost the consumer
                await asyncio.sleep(0.3)
            except (NatsError, OSError) as error:
                log.warning("consumer waits", stream=stream, error=type(error).__name__)
                await asyncio.sleep(0.5)

    def _hold(self, stream: str, message: Msg) -> None:
        place = (stream, message.metadata.sequence.stream)
        if place in self._held:  # delivered again while it is in hand: answer the newest delivery
            self._held[place].message = message
            return
        try:
            envelope = self._subscriptions.open(message.data, message.subject)
            held = Held(stream, message, f"{stream} {envelope.subject}", envelope)
        except Unreadable as error:
            held = Held(stream, message, f"{stream} unreadable {place[1]}", reason=str(error))
        self._held[place] = held
        lane = self._lanes.get(held.lane)
        if lane is None:
            lane = self._lanes[held.lane] = deque()
            self._ready.put_nowait(lane)
        lane.append(held)

    async def _work(self) -> None:
        """Advance lanes, one message at a time, until cancelled."""
        while not self._draining:
            lane = await self._ready.get()
            if not self._draining and lane:
                await self._advance(lane)

    async def _advance(self, lane: deque[Held]) -> None:
        held = lane[0]
        self._busy.add(held)
        try:
            wait = await self._step(held)
        except ENGINE_ERRORS as error:
            log.warning("an engine does not answer", subject=held.message.subject, error=type(error).__name__)
            wait = ENGINE_PAUSE
        finally:
            self._busy.discard(held)
            if not self._busy:
                self._quiet.set()
        if wait is not None:
            asyncio.get_running_loop().call_later(wait, self._ready.put_nowait, lane)
            return
        lane.popleft()
        del self._held[held.stream, held.message.metadata.sequence.stream]
        if lane:
            self._ready.put_nowait(lane)
        else:
            del self._lanes[held.lane]

    async def _step(self, held: Held) -> float | None:
        """One attempt at a message: None when its outcome is certain, else the seconds until the next."""
        message = held.message
        headers = message.headers or {}
        attributes: dict[str, str | int] = {
            "messaging.system": "nats",
            "messaging.destination.name": message.subject,
            "messaging.message.id": headers.get("Nats-Msg-Id", ""),
            "messaging.delivery_attempt": held.failures + message.metadata.num_delivered,
        }
        traceparent = headers.get("traceparent")
        with span(f"process {message.subject}", SpanKind.CONSUMER, attributes, traceparent=traceparent) as current:
            try:
                await self._apply(held)
            except Exception as error:  # noqa: BLE001  (whatever a handler raises is retried, then kept as a dead letter)
                reason = str(error) if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"
                mark_failed(current, reason)
                return await self._after_failure(held, error, reason)
            await held.message.ack()
            return None

    async def _apply(self, held: Held) -> None:
        if held.envelope is None:
            raise Unreadable(held.reason)
        if held.message.metadata.num_delivered >= SUSPECT_DELIVERIES:
            raise Unreadable(f"delivered {held.message.metadata.num_delivered} times without an outcome")
        await failpoint("consumer.received")
        outcome = await self._inbox.apply(held.envelope, over_gap=held.over_gap)
        if outcome is Applied.WITH_GAP:
            metrics.GAPS.labels(held.stream).inc()
            log.warning("applied over a gap", aggregate=held.envelope.subject, sequence=held.envelope.sequence)
        if outcome is not Applied.BEFORE:
            applied, applying = self._figures[held.stream]
            applied.inc()
            applying.observe(time.perf_counter() - held.received)
        await failpoint("consumer.committed")

    async def _after_failure(self, held: Held, error: Exception, reason: str) -> float | None:
        if isinstance(error, Early) and held.envelope is not None:
            match await self._early.decide(held, held.envelope, error.sequence, self._in_hand):
                case str() as behind:
                    await self._bury(held, behind)
                    return None
                case wait:
                    return wait
        if isinstance(error, OutboxFull):
            return OUTBOX_PAUSE
        if isinstance(error, PyMongoError) and await self._database_was_away(error):
            return ENGINE_PAUSE
        held.failures += 1
        if isinstance(error, Unreadable) or held.failures > len(RETRY_DELAYS):
            await self._bury(held, reason)
            return None
        wait = RETRY_DELAYS[held.failures - 1]
        metrics.RETRIES.labels(held.stream).inc()
        log.info("will try again", subject=held.message.subject, attempt=held.failures, wait=wait, reason=reason[:500])
        return wait

    async def _bury(self, held: Held, reason: str) -> None:
        await self._dead_letters.bury(held.message, held.envelope, reason, max(held.failures, 1))
        metrics.BURIED.labels(held.stream).inc()

    async def _database_was_away(self, error: PyMongoError) -> bool:
        """Whether the database, not the message, is to blame; returns once the database answers again."""
        if isinstance(error, (DuplicateKeyError, BulkWriteError)):
            return False
        away = False
        async with self._probing:
            while True:
                try:
                    await self._database.probe()
                    break
                except PyMongoError as failure:
                    log.warning("waiting for the database", error=type(failure).__name__)
                    away = True
                    await asyncio.sleep(ENGINE_PAUSE)
        # An operation that is too slow on a database that answers is the handler's own.
        return away or (is_passing(error) and not error.timeout)

    def _in_hand(self, stream: str) -> int:
        return sum(1 for held_stream, _ in self._held if held_stream == stream)

    async def _keep_alive(self) -> None:
        """Tell the server that the messages in hand are alive, so that it does not deliver them again."""
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            for held in list(self._held.values()):
                if held.message.is_acked:
                    continue
                try:
                    await held.message.in_progress()
                except NatsError as error:
                    log.warning("no sign of life sent", error=type(error).__name__)
                    break
