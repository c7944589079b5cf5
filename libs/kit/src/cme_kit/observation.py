"""How far a service is behind: asked of JetStream and of its own outbox, for operators and for Prometheus."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Protocol

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from pydantic import BaseModel, Field

from cme_kit import metrics
from cme_kit.clock import Clock
from cme_kit.consumers import Consumers
from cme_kit.leases import LEASES
from cme_kit.mongo import Database, PyMongoError
from cme_kit.outbox import OUTBOX
from cme_kit.streams import dead_letters_of

#: A scraper waits 10 s by default; an engine that is away must not take all of them.
SCRAPE_SECONDS = 3.0
log = structlog.get_logger(__name__)


class ConsumedStream(BaseModel):
    """One stream that a service consumes."""

    stream: str
    lag: int | None = Field(description="Events not applied here yet; null while there is no such stream or consumer")
    in_flight: int | None = Field(description="Those of them that are being applied or wait for their next attempt")
    redelivered: int | None = Field(description="Those in flight that were delivered more than once")


class OutboxState(BaseModel):
    """What is committed and not published yet."""

    pending: int = Field(description="Committed events that are not in the stream yet")
    oldest_seconds: float = Field(description="Age of the oldest of them; 0 when there is none")
    leader: bool = Field(description="Whether a replica of this service publishes")


class Observation(BaseModel):
    """How far a service is behind."""

    items: list[ConsumedStream]
    outbox: OutboxState
    dead_letters: int = Field(description="Messages that could not be applied and wait for an operator")


class Observed(Protocol):
    """What is observed: a service's platform, or that of the gateway."""

    @property
    def service(self) -> str:
        """The durable name of its consumers."""

    @property
    def database(self) -> Database:
        """Where its outbox is."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def jetstream(self) -> JetStreamContext:
        """The bus. Raises NatsError without a connection."""

    @property
    def consumers(self) -> Consumers | None:
        """What it consumes; None before it begins."""


@dataclass(frozen=True)
class _Bus:
    streams: list[ConsumedStream]
    dead_letters: float


async def observe(platform: Observed) -> Observation:
    """Ask both engines. Raises what their drivers raise, or TimeoutError."""
    bus, outbox = await asyncio.gather(_bus(platform), _outbox(platform))
    return Observation(items=bus.streams, outbox=outbox, dead_letters=int(bus.dead_letters))


async def set_gauges(platform: Observed) -> None:
    """Set the gauges of one service from the engines; what an engine that is away knows becomes NaN.

    Nothing is awaited after the first gauge is set: several services of one process each scrape their own figures.
    """
    bus, outbox = await asyncio.gather(_bus(platform), _outbox(platform), return_exceptions=True)
    _set_bus(bus, [] if platform.consumers is None else platform.consumers.streams)
    _set_outbox(outbox)


def _set_bus(bus: _Bus | BaseException, streams: list[str]) -> None:
    _note("broker", bus)
    known = bus if isinstance(bus, _Bus) else _Bus([_unknown(stream) for stream in streams], math.nan)
    metrics.DEAD_LETTERS.set(known.dead_letters)
    metrics.LAG.clear()
    metrics.REDELIVERED.clear()
    for state in known.streams:
        metrics.LAG.labels(state.stream).set(math.nan if state.lag is None else state.lag)
        metrics.REDELIVERED.labels(state.stream).set(math.nan if state.redelivered is None else state.redelivered)


def _set_outbox(outbox: OutboxState | BaseException) -> None:
    _note("database", outbox)
    metrics.PENDING.set(outbox.pending if isinstance(outbox, OutboxState) else math.nan)
    metrics.OLDEST.set(outbox.oldest_seconds if isinstance(outbox, OutboxState) else math.nan)


def _note(engine: str, outcome: object) -> None:
    """Say whether an engine answered. Raises what is no failure of an engine."""
    if isinstance(outcome, BaseException):
        if not isinstance(outcome, (NatsError, PyMongoError, OSError, TimeoutError)):
            raise outcome
        log.warning("an engine gave no figures", engine=engine, error=type(outcome).__name__)
    metrics.ENGINE_UP.labels(engine).set(not isinstance(outcome, BaseException))


async def _bus(platform: Observed) -> _Bus:
    streams = [] if platform.consumers is None else platform.consumers.streams
    async with asyncio.timeout(SCRAPE_SECONDS):
        states = await asyncio.gather(*(_consumed(platform, stream) for stream in streams))
        letters = await platform.jetstream.stream_info(dead_letters_of(platform.service))
    return _Bus(states, letters.state.messages)


def _unknown(stream: str) -> ConsumedStream:
    return ConsumedStream(stream=stream, lag=None, in_flight=None, redelivered=None)


async def _consumed(platform: Observed, stream: str) -> ConsumedStream:
    try:
        found = await platform.jetstream.consumer_info(stream, platform.service)
    except NotFoundError:
        return _unknown(stream)
    in_flight = found.num_ack_pending or 0
    return ConsumedStream(
        stream=stream,
        lag=(found.num_pending or 0) + in_flight,
        in_flight=in_flight,
        redelivered=found.num_redelivered or 0,
    )


async def _outbox(platform: Observed) -> OutboxState:
    rows = platform.database.collection(OUTBOX)
    leases = platform.database.collection(LEASES)
    waiting = {"published": False}
    async with asyncio.timeout(SCRAPE_SECONDS):
        pending, oldest, lease = await asyncio.gather(
            rows.count(waiting),
            rows.find(waiting, sort=[("created", 1)], limit=1, fields=["created"]),
            leases.find_one({"_id": "relay"}),
        )
    now = platform.clock.now()
    return OutboxState(
        pending=pending,
        oldest_seconds=max(0.0, (now - oldest[0]["created"]).total_seconds()) if oldest else 0.0,
        leader=lease is not None and lease["until"] > now,
    )
