"""Consumers: each event is applied once, in the order of its aggregate, with retries and dead letters.

Raw nats-py pull consumers. The effect of an event and its inbox row are one transaction, so a redelivery finds the
row and is only acknowledged. A message that still fails after the schedule, or that no release can read, goes to
the dead-letter stream with its reason, and its neighbours go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from cme_contracts import CloudEvent, Event, EventType, event_type_of, find_event_type
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from cme_kit.clock import Clock
from cme_kit.mongo import Database, DuplicateKeyError, Index
from cme_kit.outbox import Outbox, Transaction
from cme_kit.streams import ACK_WAIT, provision_consumer, stream_of
from cme_kit.telemetry import current_traceparent, mark_failed, span

INBOX = "inbox"
#: Kept longer than any stream, so that a replay of a whole stream applies nothing twice.
INBOX_DAYS = 500
INDEXES = (Index(INBOX, ("applied_at",), expire_seconds=int(timedelta(days=INBOX_DAYS).total_seconds())),)
#: Seconds to wait before attempt 2, 3, …; after the last one the message is a dead letter.
RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
BATCH = 64
#: Transactions at once; more of them only wait for each other in the database.
CONCURRENCY = 8
FETCH_SECONDS = 20.0
EventModel = TypeVar("EventModel", bound=Event)
Handler = Callable[[Transaction, Any], Awaitable[None]]
log = structlog.get_logger(__name__)


class NotYet(Exception):
    """A handler needs a fact that has not arrived here: try again on the schedule."""


class Unreadable(Exception):
    """A message that no retry will make readable."""


@dataclass(frozen=True)
class Subscription:
    """One row of a service's table: an event and the function that applies it."""

    event_type: EventType
    handler: Handler
    serial: bool = False


def on(
    model: type[EventModel],
    handler: Callable[[Transaction, EventModel], Awaitable[None]],
    *,
    serial: bool = False,
) -> Subscription:
    """Subscribe `handler(tx, event)` to an event. It writes with `tx.session` only; it may run more than once.

    `serial` handlers run one at a time: those that all write one document would otherwise only conflict and repeat.
    """
    return Subscription(event_type_of(model), handler, serial)


class Consumers:
    """All subscriptions of one service, one durable pull consumer per stream they come from."""

    def __init__(
        self,
        service: str,
        database: Database,
        outbox: Outbox,
        jetstream: JetStreamContext,
        clock: Clock,
        subscriptions: Sequence[Subscription],
    ) -> None:
        self._service = service
        self._inbox = database.collection(INBOX)
        self._outbox = outbox
        self._jetstream = jetstream
        self._clock = clock
        self._by_type = {subscription.event_type.type: subscription for subscription in subscriptions}
        self._streams: dict[str, list[str]] = {}
        for subscription in subscriptions:
            self._streams.setdefault(stream_of(subscription.event_type), []).append(subscription.event_type.subject)
        self._attached: set[str] = set()
        self._one_at_a_time = asyncio.Lock()
        self._bounded = asyncio.Semaphore(CONCURRENCY)
        #: Aggregates whose message (its place in the stream) waits to be tried again: those behind it wait too.
        self._waiting: dict[str, int] = {}

    @property
    def attached(self) -> bool:
        """Whether every consumer exists and is being read."""
        return self._attached == set(self._streams)

    @property
    def streams(self) -> list[str]:
        """The streams to consume from."""
        return list(self._streams)

    async def consume(self, stream: str) -> None:
        """Consume from one stream until cancelled."""
        while True:
            try:
                subscription = await provision_consumer(self._jetstream, stream, self._service, self._streams[stream])
                self._attached.add(stream)
                await self._read(subscription)
            except NotFoundError:  # the owning service has not made its stream yet, or the server lost the consumer
                await asyncio.sleep(0.3)
            except (NatsError, OSError) as error:
                log.warning("consumer waits", stream=stream, error=type(error).__name__)
                await asyncio.sleep(0.5)

    async def _read(self, subscription: JetStreamContext.PullSubscription) -> None:
        while True:
            try:
                messages = await subscription.fetch(BATCH, timeout=FETCH_SECONDS)
            except TimeoutError:
                continue
            lanes: dict[str, list[Msg]] = {}
            for message in messages:
                lanes.setdefault(_aggregate(message), []).append(message)
            heartbeat = asyncio.create_task(_keep_alive(messages))
            try:
                await asyncio.gather(*(self._apply_lane(lane) for lane in lanes.values()))
            finally:
                heartbeat.cancel()

    async def _apply_lane(self, lane: list[Msg]) -> None:
        """Apply the messages of one aggregate in order; when one has to wait, those behind it wait too."""
        aggregate = _aggregate(lane[0])
        for message in lane:
            position = message.metadata.sequence.stream
            if position > self._waiting.get(aggregate, position):
                await message.nak(delay=RETRY_DELAYS[1])
            elif (wait := await self._apply(message)) is not None:
                self._waiting[aggregate] = position
                await message.nak(delay=wait)
            else:
                self._waiting.pop(aggregate, None)

    async def _apply(self, message: Msg) -> float | None:
        """Apply one message; the seconds to wait when it has to be tried again."""
        attempt = message.metadata.num_delivered
        headers = message.headers or {}
        with span(
            f"process {message.subject}",
            SpanKind.CONSUMER,
            traceparent=headers.get("traceparent"),
            messaging__system="nats",
            messaging__destination__name=message.subject,
            messaging__message__id=headers.get("Nats-Msg-Id", ""),
            messaging__delivery_attempt=attempt,
        ) as current:
            try:
                event_id, event = self._read_event(message)
                await self._apply_once(event_id, event)
            except Unreadable as error:
                mark_failed(current, str(error))
                await self._bury(message, str(error), attempt)
                return None
            except Exception as error:  # noqa: BLE001  (whatever a handler raises is retried, then kept as a dead letter)
                reason = f"{type(error).__name__}: {error}"[:500]
                mark_failed(current, reason)
                if attempt > len(RETRY_DELAYS):
                    await self._bury(message, reason, attempt)
                    return None
                wait = RETRY_DELAYS[attempt - 1]
                log.info("will try again", subject=message.subject, attempt=attempt, wait=wait, reason=reason)
                return wait
            await message.ack()
            return None

    def _read_event(self, message: Msg) -> tuple[str, Event]:
        try:
            envelope = CloudEvent.model_validate_json(message.data)
        except ValidationError as error:
            raise Unreadable(f"not a CloudEvent: {error.error_count()} errors") from error
        declared = find_event_type(envelope.type)
        if declared is None or envelope.type not in self._by_type:
            raise Unreadable(f"unknown type {envelope.type}")
        if envelope.source != f"/{declared.service}" or message.subject != declared.subject:
            raise Unreadable(f"{envelope.type} claimed by {envelope.source} on {message.subject}")
        try:
            return str(envelope.id), declared.model.model_validate(envelope.data)
        except ValidationError as error:
            raise Unreadable(f"body does not fit {envelope.type}: {error.error_count()} errors") from error

    async def _apply_once(self, event_id: str, event: Event) -> None:
        subscription = self._by_type[event_type_of(type(event)).type]
        handler = subscription.handler

        async def apply(tx: Transaction) -> None:
            await self._inbox.insert({"_id": event_id, "applied_at": self._clock.now()}, session=tx.session)
            await handler(tx, event)

        try:
            async with self._one_at_a_time if subscription.serial else self._bounded:
                await self._outbox.transaction(apply)
        except DuplicateKeyError:
            # Applied before, or the handler broke a unique index of its own, which is a failure.
            if not await self._inbox.find_one({"_id": event_id}):
                raise

    async def _bury(self, message: Msg, reason: str, attempt: int) -> None:
        headers = {
            **(message.headers or {}),
            "Nats-Msg-Id": f"{self._service}:{message.metadata.stream}:{message.metadata.sequence.stream}",
            "Cme-Reason": reason.replace("\n", " "),
            "Cme-Attempts": str(attempt),
            "Cme-Consumer": self._service,
            "Cme-Trace": current_traceparent() or "",
        }
        await self._jetstream.publish(
            f"cme.dlq.{self._service}.{message.subject}", message.data, timeout=5, headers=headers
        )
        await message.term()
        log.error("dead letter", subject=message.subject, reason=reason, attempts=attempt)


def _aggregate(message: Msg) -> str:
    """The aggregate of a message, for keeping its order; unreadable ones stand alone."""
    try:
        return CloudEvent.model_validate_json(message.data).subject
    except ValidationError:
        return f"unreadable {message.metadata.sequence.stream}"


async def _keep_alive(messages: list[Msg]) -> None:
    """Tell the server that slow work goes on, so that it does not deliver the messages again."""
    while True:
        await asyncio.sleep(ACK_WAIT / 3)
        for message in messages:
            if not message._ackd:  # noqa: SLF001  (nats-py has no public flag for it)
                await message.in_progress()
