"""Streams and consumers on JetStream: what must exist, made at start, refused when it differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from random import SystemRandom

import nats
import structlog
from cme_contracts import EventType
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError, ServerError

from cme_kit.problems import Unavailable
from cme_kit.settings import BusSettings

DAY = 24 * 3600
GIB = 1024**3
#: Redelivery keeps a consumer's message open this long without a sign of life, seconds.
ACK_WAIT = 30
MAX_ACK_PENDING = 256
#: Attempts are counted by the worker; this bound of the server is far above its schedule.
MAX_DELIVER = 50
#: The server forgets a reader that a crash left after this many seconds.
READER_SECONDS = 60.0
READ_BATCH = 500
#: The code of a broker without a cluster when it is asked for several copies.
ONE_SERVER = 10074
log = structlog.get_logger(__name__)


class ProvisioningError(RuntimeError):
    """A stream or consumer exists with another configuration than this release expects."""


def stream_name(service: str, *, personal: bool = False) -> str:
    """The stream that holds a service's events."""
    return f"CME_{service.upper()}{'_PERSONAL' if personal else ''}"


def stream_of(event_type: EventType) -> str:
    """The stream that an event travels on."""
    return stream_name(event_type.service, personal=event_type.personal_data)


def dead_letters_of(service: str) -> str:
    """The stream of the messages that a service could not apply."""
    return f"CME_{service.upper()}_DEAD_LETTERS"


def _stream(name: str, subject: str, max_age_days: int, max_bytes: int, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=name,
        subjects=[subject],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=max_bytes,
        max_age=max_age_days * DAY,
        duplicate_window=600,
        num_replicas=replicas,
    )


def event_streams(service: str, replicas: int = 1) -> list[StreamConfig]:
    """The streams that hold what a service states: its events, its events with personal data."""
    return [
        _stream(stream_name(service), f"cme.{service}.>", 400, GIB, replicas),
        _stream(stream_name(service, personal=True), f"cme.personal.{service}.>", 30, GIB, replicas),
    ]


def owned_streams(service: str, replicas: int = 1) -> list[StreamConfig]:
    """The streams that a service provisions: those of its events, and its dead letters."""
    return [*event_streams(service, replicas), dead_letter_stream(service, replicas)]


def dead_letter_stream(service: str, replicas: int = 1) -> StreamConfig:
    """The stream that holds what a service could not apply; the only one of a deployable that states no events."""
    return _stream(dead_letters_of(service), f"cme.dlq.{service}.>", 90, GIB // 4, replicas)


async def connect(service: str, settings: BusSettings) -> Client:
    """A connection that never gives up reconnecting and notices a dead peer within 10 s."""

    async def on_error(error: Exception) -> None:
        log.warning("nats", error=type(error).__name__, detail=str(error)[:200])

    servers = settings.nats_url.split(",")
    SystemRandom().shuffle(servers)
    while True:
        try:
            return await nats.connect(
                servers,
                # Round robin: shuffled by the client, the server that was just left could be the next one.
                dont_randomize=True,
                name=service,
                user=settings.nats_user,
                password=settings.nats_password.get_secret_value(),
                # Answers to an inbox that only this service may listen to.
                inbox_prefix=f"_INBOX_{service}",
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                connect_timeout=2,
                ping_interval=5,
                max_outstanding_pings=2,
                error_cb=on_error,
            )
        except (OSError, nats.errors.Error) as error:
            log.warning("nats is not there yet", error=type(error).__name__)
            await asyncio.sleep(0.3)


@contextmanager
def asking_the_broker() -> Iterator[None]:
    """Answer a request with 503 when the broker does not answer inside the block. Raises Unavailable."""
    try:
        yield
    except (NatsError, TimeoutError) as error:
        raise Unavailable("The broker does not answer; try again in a moment.") from error


async def provision_streams(jetstream: JetStreamContext, streams: Sequence[StreamConfig]) -> list[StreamConfig]:
    """Create the streams that are missing and return them.

    Raises ProvisioningError when one exists with other subjects, limits or copies, or needs a cluster that is none;
    NatsError while the broker's servers have elected nobody, or too few of them are there for the copies.
    """
    created = []
    for wanted in streams:
        assert wanted.name is not None
        try:
            found = (await jetstream.stream_info(wanted.name)).config
        except NotFoundError:
            await _add_stream(jetstream, wanted)
            created.append(wanted)
            continue
        for field in ("subjects", "retention", "storage", "discard", "max_bytes", "max_age", "num_replicas"):
            if getattr(found, field) != getattr(wanted, field):
                raise ProvisioningError(
                    f"stream {wanted.name}: {field} is {getattr(found, field)!r}, expected {getattr(wanted, field)!r}"
                )
    return created


async def _add_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> None:
    try:
        await jetstream.add_stream(wanted)
    except ServerError as error:
        if error.err_code != ONE_SERVER:
            raise
        raise ProvisioningError(f"stream {wanted.name}: {wanted.num_replicas} copies need a cluster") from error


async def provision_consumer(jetstream: JetStreamContext, stream: str, durable: str, subjects: Sequence[str]) -> None:
    """Make sure of a durable pull consumer, creating it or adding newly subscribed subjects.

    Raises ProvisioningError when its policies differ, NotFoundError while the stream does not exist.
    """
    wanted = ConsumerConfig(
        durable_name=durable,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_deliver=MAX_DELIVER,
        max_ack_pending=MAX_ACK_PENDING,
        deliver_policy=DeliverPolicy.ALL,
        filter_subjects=sorted(subjects),
    )
    try:
        found = (await jetstream.consumer_info(stream, durable)).config
    except NotFoundError:
        await jetstream.stream_info(stream)  # says NotFound for the stream itself, which the caller waits for
        await jetstream.add_consumer(stream, wanted)
    else:
        for field in ("ack_policy", "ack_wait", "max_deliver", "max_ack_pending", "deliver_policy"):
            if getattr(found, field) != getattr(wanted, field):
                raise ProvisioningError(
                    f"consumer {stream}/{durable}: {field} is {getattr(found, field)!r}, "
                    f"expected {getattr(wanted, field)!r}"
                )
        if sorted(found.filter_subjects or [found.filter_subject]) != wanted.filter_subjects:
            await jetstream.add_consumer(
                stream, replace(found, filter_subject=None, filter_subjects=wanted.filter_subjects)
            )


def reader_of(service: str) -> str:
    """The name under which a service reads a stream outside its durable consumer."""
    return f"{service}_reader"


class ReadingDisturbed(NatsError):
    """Another process began to read the same stream under the same name; read it again."""


async def read_stream(
    jetstream: JetStreamContext,
    stream: str,
    service: str,
    subjects: Sequence[str] = (),
    *,
    after: int = 0,
    headers_only: bool = False,
) -> AsyncIterator[Msg]:
    """Every message that a stream holds now after a position, oldest first, without touching the durable consumers.

    Raises NotFoundError without the stream, NatsError when the broker does not answer, ReadingDisturbed.
    """
    wanted = ConsumerConfig(
        name=reader_of(service),
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        filter_subjects=sorted(subjects) or None,
        headers_only=headers_only or None,
        inactive_threshold=READER_SECONDS,
        mem_storage=True,
    )
    with suppress(NotFoundError):  # what a crash left would go on where it was
        await jetstream.delete_consumer(stream, reader_of(service))
    left = (await jetstream.add_consumer(stream, wanted)).num_pending or 0
    try:
        reader = await jetstream.pull_subscribe_bind(reader_of(service), stream)
        read = 0
        while left > 0:
            for message in await reader.fetch(min(left, READ_BATCH), timeout=5):
                left, read = min(left - 1, message.metadata.num_pending or 0), read + 1
                if message.metadata.sequence.consumer != read:
                    raise ReadingDisturbed
                yield message
        await reader.unsubscribe()
    finally:
        with suppress(NotFoundError):
            await jetstream.delete_consumer(stream, reader_of(service))
