"""Streams that were lost are made again from the outbox."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex

import structlog
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import NotFoundError

from cme_kit.clock import Clock
from cme_kit.mongo import Database, Document
from cme_kit.outbox import MESSAGE_ID_SEPARATOR, OUTBOX, Outbox
from cme_kit.streams import event_streams, owned_streams, provision_streams, read_stream

BATCH = 500
log = structlog.get_logger(__name__)


class Streams:
    """The streams that one service owns, and the outbox that they can be made from again."""

    def __init__(
        self, service: str, database: Database, outbox: Outbox, jetstream: JetStreamContext, clock: Clock, replicas: int
    ) -> None:
        self._service = service
        self._rows = database.collection(OUTBOX)
        self._outbox = outbox
        self._jetstream = jetstream
        self._clock = clock
        self._replicas = replicas
        self._one_at_a_time = asyncio.Lock()

    async def provision(self) -> None:
        """Create the streams that are missing; what the outbox published to them is published again.

        Raises ProvisioningError when one exists with another configuration.
        """
        async with self._one_at_a_time:
            created = {stream.name for stream in await provision_streams(self._jetstream, self._wanted())}
            for stream in event_streams(self._service, self._replicas):
                if stream.name in created and (count := await self._publish_again(stream, {})):
                    log.error("a stream was gone and is made again from the outbox", stream=stream.name, events=count)

    def _wanted(self) -> list[StreamConfig]:
        return owned_streams(self._service, self._replicas)

    async def rebuild(self) -> int:
        """Publish again what the outbox published and the streams no longer hold; how many events.

        For a stream that lost a part, after a power cut or an operator's mistake: it is read whole.
        """
        await self.provision()
        async with self._one_at_a_time:
            count = 0
            for stream in event_streams(self._service, self._replicas):
                missing = await self._missing(stream)
                for start in range(0, len(missing), BATCH):
                    count += await self._publish_again(stream, {"_id": {"$in": missing[start : start + BATCH]}})
            return count

    async def count_missing(self) -> int:
        """How many events `rebuild` would publish again."""
        return sum([len(await self._missing(stream)) for stream in event_streams(self._service, self._replicas)])

    async def _missing(self, stream: StreamConfig) -> list[str]:
        """The ids of the events that a stream ought to hold and does not."""
        stated = await self._rows.find(self._published_to(stream), fields=["_id"])
        held = await self._held(stream)
        return [row["_id"] for row in stated if row["_id"] not in held]

    def _published_to(self, stream: StreamConfig) -> Document:
        """The rows that a stream ought to hold: published, not emptied by an erasure, younger than its maximum age."""
        assert stream.subjects is not None
        assert stream.max_age is not None
        prefix = stream.subjects[0].removesuffix(">").replace(".", r"\.")
        youngest = self._clock.now() - timedelta(seconds=stream.max_age)
        return {
            "published": True,
            "nats_subject": {"$regex": f"^{prefix}"},
            "body": {"$ne": ""},
            "created": {"$gt": youngest},
        }

    async def _publish_again(self, stream: StreamConfig, among: Document) -> int:
        # Under another message id: the server may remember the first one although the message is gone.
        again = {"$concat": ["$_id", MESSAGE_ID_SEPARATOR, token_hex(4)]}
        change = [{"$set": {"published": False, "message_id": again}}]
        count = await self._rows.update_many(self._published_to(stream) | among, change)
        self._outbox.look()
        return count

    async def _held(self, stream: StreamConfig) -> set[str]:
        """The ids of the events that a stream holds."""
        held: set[str] = set()
        with suppress(NotFoundError):  # gone, so it holds nothing
            async for message in read_stream(self._jetstream, str(stream.name), self._service, headers_only=True):
                held.add((message.headers or {}).get("Nats-Msg-Id", "").partition(MESSAGE_ID_SEPARATOR)[0])
        return held
