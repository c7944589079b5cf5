"""The sandbox's events: from an account of their own on the bus, to the webhooks of sandbox clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from cme_contracts import EventType
from cme_kit import listening as bus
from cme_kit.clock import Clock
from cme_kit.listening import Listener
from cme_kit.mongo import Database
from cme_kit.outbox import Outbox
from cme_kit.platform import prepare_database
from cme_kit.settings import BusSettings
from cme_kit.streams import stream_name
from cme_kit.subscriptions import on_whole
from cme_kit.tasks import Tasks

from gateway.settings import Settings
from gateway.webhooks.fan_out import FanOut

#: Its inbox and its dead letters; what follows from an event is written beside, in the same transaction.
PREFIX = "sandbox_"
#: The service whose stream is there once the sandbox was ever started.
FIRST = "enrolment"


class SandboxEvents:
    """Consumes them, if there is a sandbox, from its first start on."""

    def __init__(
        self, settings: Settings, database: Database, fan_out: FanOut, event_types: Sequence[EventType], clock: Clock
    ) -> None:
        self._database = database.beside(PREFIX)
        self._listener: Listener | None = None
        if settings.sandbox_nats_user is not None:
            self._listener = Listener(
                "gateway",
                _bus_of(settings),
                self._database,
                Outbox(self._database, clock),
                clock,
                [on_whole(event_type, fan_out.apply_made_up) for event_type in event_types],
                only_with=stream_name(FIRST),
            )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Consume while the block runs."""
        if self._listener is None:
            yield
            return
        tasks = Tasks()
        tasks.run("sandbox events", self._begin)
        try:
            yield
        finally:
            await tasks.stop()
            await self._listener.stop()

    async def _begin(self) -> None:
        assert self._listener is not None
        await prepare_database(self._database, bus.INDEXES)
        self._listener.start()


def _bus_of(settings: Settings) -> BusSettings:
    """The settings of the live bus, with the account of the sandbox."""
    changes = {
        "nats_url": settings.sandbox_nats_url or settings.nats_url,
        "nats_user": settings.sandbox_nats_user,
        "nats_password": settings.sandbox_nats_password,
    }
    return settings.model_copy(update=changes)
