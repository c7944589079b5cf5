"""CPU of one process for each event that it consumes: nats-py alone, this platform, and FastStream.

All read the same stream of the same broker with pull consumers, 64 at a time, and acknowledge each message. The
platform works on a database in memory, so its inbox logic counts and no driver does; the handlers do nothing.
Both trace: spans are made, ended and queued, and exported to nowhere.

`python -m cme_local.bench.event_cost SIDE ARGUMENTS` (JSON); the result is one line of JSON on standard output.
"""

# ruff: noqa: ARG001, ARG002, PLC0415 -- stand-ins take what the real ones take; each side pays for its own imports only

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from cme_contracts import CloudEvent
from cme_contracts.enrolment import OrganisationRegistered
from cme_kit.mongo import DuplicateKeyError
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from cme_local.bench.event_bus import EVENT, connected

BATCH = 64
Side = Callable[[dict[str, Any], "Counted"], Coroutine[Any, Any, None]]


class Nowhere(SpanExporter):
    """Exports no span."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Forget them."""
        return SpanExportResult.SUCCESS


class Counted:
    """Counts handled events, and knows when all were."""

    def __init__(self, expected: int) -> None:
        self._expected = self._left = expected
        self.restart()
        self.all = asyncio.Event()
        #: CPU of this process for each event, and how many there were in a second.
        self.cpu_us = self.per_second = 0.0

    def restart(self) -> None:
        """What was used until now belongs to the start of a process."""
        self._began, self._used = time.monotonic(), time.process_time()

    def one(self) -> None:
        """One more was handled."""
        self._left -= 1
        if not self._left:
            self.cpu_us = (time.process_time() - self._used) / self._expected * 1e6
            self.per_second = self._expected / (time.monotonic() - self._began)
            self.all.set()


class Rows:
    """A collection in memory, with the operations that the platform's inbox needs."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}

    async def insert(self, document: dict[str, Any], session: object = None) -> None:
        """Store it. Raises DuplicateKeyError."""
        if document["_id"] in self._rows:
            raise DuplicateKeyError("E11000")
        self._rows[document["_id"]] = document

    async def find_one(self, filter_: dict[str, Any], session: object = None, sort: object = None) -> Any:
        """The row with that id; there is nothing else to find."""
        return self._rows.get(filter_.get("_id", ""))

    async def find(self, filter_: dict[str, Any], **_: object) -> list[Any]:
        """Nothing: nobody here has anything to publish."""
        return []

    async def count(self, filter_: dict[str, Any], session: object = None) -> int:
        """None, for the same reason."""
        return 0

    async def update(self, filter_: dict[str, Any], update: object, **_: object) -> int:
        """The relay gets its lease."""
        return 1

    async def delete(self, filter_: dict[str, Any], session: object = None) -> int:
        """The relay gives it back."""
        return 1


class Memory:
    """A database in memory."""

    def __init__(self, name: str) -> None:
        self._collections: dict[str, Rows] = {}
        self.name = name

    def collection(self, name: str) -> Rows:
        """A collection of it."""
        return self._collections.setdefault(name, Rows())

    async def close(self) -> None:
        """Nothing is open."""


async def bare(arguments: dict[str, Any], counted: Counted) -> None:
    """The client library alone: fetch, acknowledge."""
    client = await connected(arguments["nats_url"], arguments["user"], arguments["password"])
    subscription = await client.jetstream().pull_subscribe(EVENT.subject, arguments["durable"])
    counted.restart()
    while not counted.all.is_set():
        for message in await subscription.fetch(BATCH, timeout=30):
            await message.ack()
            counted.one()
    await client.close()


async def cme(arguments: dict[str, Any], counted: Counted) -> None:
    """This platform's consumer, as a service runs it, beside an idle relay."""
    from cme_kit.consumers import on
    from cme_kit.mongo import Database
    from cme_kit.outbox import Outbox, Transaction
    from cme_kit.platform import open_platform
    from cme_kit.settings import ServiceSettings

    class MemoryOutbox(Outbox):
        async def transaction(self, work: Any) -> Any:
            return await work(Transaction(None, self))

    async def handle(_tx: Transaction, _event: OrganisationRegistered) -> None:
        counted.one()

    settings = ServiceSettings.model_validate(arguments["settings"])
    async with open_platform(arguments["durable"], settings, []) as platform:
        real = platform.database
        platform.database = cast("Database", Memory(arguments["durable"]))
        platform.outbox = MemoryOutbox(platform.database, platform.clock)
        counted.restart()
        await platform.start([on(OrganisationRegistered, handle)])
        await counted.all.wait()
    await real.close()


class Envelope(CloudEvent):
    """The same event for FastStream: envelope and body are one model."""

    data: OrganisationRegistered  # type: ignore[assignment]


async def faststream(arguments: dict[str, Any], counted: Counted) -> None:
    """The peer, with its own pull consumer, pydantic model, acknowledgement and telemetry."""
    from faststream import AckPolicy
    from faststream.nats import JStream, NatsBroker, PullSub
    from faststream.nats.opentelemetry import NatsTelemetryMiddleware
    from faststream.security import SASLPlaintext

    async def handle(event: Envelope) -> None:
        counted.one()

    async def decode(message: Any) -> Any:
        # As it does with `application/json` by itself; ours is `application/cloudevents+json`.
        return json.loads(message.body)

    broker = NatsBroker(
        arguments["nats_url"],
        security=SASLPlaintext(arguments["user"], arguments["password"]),
        middlewares=(NatsTelemetryMiddleware(tracer_provider=trace.get_tracer_provider()),),
        logger=None,
    )
    stream = JStream(arguments["stream"], declare=False)
    subscribe = broker.subscriber(
        EVENT.subject,
        stream=stream,
        durable=arguments["durable"],
        pull_sub=PullSub(batch_size=BATCH),
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=decode,
    )
    subscribe(handle)
    counted.restart()
    await broker.start()
    await counted.all.wait()
    await broker.stop()


async def main(side: Side, arguments: dict[str, Any]) -> None:
    """Consume everything; say the CPU for each event."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere(), schedule_delay_millis=1_000, max_queue_size=100_000))
    trace.set_tracer_provider(provider)
    counted = Counted(arguments["count"])
    async with asyncio.timeout(300):
        await side(arguments, counted)
    provider.shutdown()
    print(json.dumps({"cpu_us": counted.cpu_us, "per_second": counted.per_second}), flush=True)


if __name__ == "__main__":
    chosen: Side = {"bare": bare, "cme": cme, "faststream": faststream}[sys.argv[1]]
    asyncio.run(main(chosen, json.loads(sys.argv[2])))
