"""The event platform as each service's own figures tell it, asked when somebody looks."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cme_local.processes import SERVICES

TIMEOUT_S = 4.0
#: Pages that look at the same moment get the same answer.
FRESH_S = 2.0
#: The figures of one scrape: by name and stream, the stream empty for those without one.
Samples = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Consumer:
    """How far a service is with one stream; None where the broker did not say."""

    service: str
    stream: str
    lag: int | None
    redelivered: int | None
    applied: int
    retries: int
    gaps: int
    buried: int


@dataclass(frozen=True)
class ServiceFigures:
    """A service's outbox, relay and dead letters; None where an engine did not answer it."""

    service: str
    published: int
    publish_failures: int
    pending: int | None
    oldest_seconds: float | None
    leads: bool
    dead_letters: int | None
    engines_away: list[str]
    consumers: list[Consumer]


@dataclass(frozen=True)
class BusFigures:
    """All services that answered, and those that did not."""

    services: list[ServiceFigures]
    silent: list[str]

    @property
    def consumers(self) -> list[Consumer]:
        """Every consumer of every service that answered."""
        return [consumer for service in self.services for consumer in service.consumers]


def total(values: Iterable[int | None]) -> int | None:
    """The sum, or None when nothing is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def samples_of(text: str) -> tuple[Samples, list[str]]:
    """The event platform's figures in a scrape, and the engines that it says are away."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 -- only this page parses

    found: Samples = {}
    away = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "cme_engine_up" and not sample.value:
                away.append(sample.labels["engine"])
            elif sample.name.startswith("cme_") and set(sample.labels) <= {"stream"}:
                found[sample.name, sample.labels.get("stream", "")] = sample.value
    return found, away


def read(service: str, text: str) -> ServiceFigures:
    """A service's figures from its scrape."""
    found, away = samples_of(text)

    def count(name: str, stream: str = "") -> int:
        return int(found.get((name, stream), 0.0))

    def known(name: str, stream: str = "") -> float | None:
        value = found.get((name, stream), math.nan)
        return None if math.isnan(value) else value

    def whole(name: str, stream: str = "") -> int | None:
        value = known(name, stream)
        return None if value is None else int(value)

    streams = sorted({stream for name, stream in found if name == "cme_consumer_lag"})
    consumers = [
        Consumer(
            service,
            stream,
            whole("cme_consumer_lag", stream),
            whole("cme_consumer_redelivered", stream),
            count("cme_events_applied_total", stream),
            count("cme_event_retries_total", stream),
            count("cme_event_gaps_total", stream),
            count("cme_dead_letters_buried_total", stream),
        )
        for stream in streams
    ]
    return ServiceFigures(
        service,
        count("cme_events_published_total"),
        count("cme_publish_failures_total"),
        whole("cme_outbox_pending"),
        known("cme_outbox_oldest_seconds"),
        bool(count("cme_relay_leader")),
        whole("cme_dead_letters"),
        away,
        consumers,
    )


def scrape(data: Path, service: str) -> str | None:
    """What a service of the stack on this data directory answers on `/metrics`, or None. Blocking."""
    import urllib.request  # noqa: PLC0415 -- a process that nobody asks does without it

    from cme_local.errors import UserError  # noqa: PLC0415
    from cme_local.stack import Stack  # noqa: PLC0415

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{Stack.of_running(data).urls[service]}/metrics", timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
            return text
    except (OSError, UserError):
        return None


class Bus:
    """Asks all services at once, and not again within FRESH_S."""

    def __init__(self, scrape_one: Callable[[str], str | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._scrape = scrape_one
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._latest = BusFigures([], [])
        self._fresh_until = -math.inf

    async def figures(self) -> BusFigures:
        """How the event platform is just now."""
        async with self._one_at_a_time:
            if self._clock() >= self._fresh_until:
                texts = await asyncio.gather(*(asyncio.to_thread(self._scrape, service) for service in SERVICES))
                answers = dict(zip(SERVICES, texts, strict=True))
                self._latest = BusFigures(
                    [read(service, text) for service, text in answers.items() if text is not None],
                    [service for service, text in answers.items() if text is None],
                )
                self._fresh_until = self._clock() + FRESH_S
            return self._latest
