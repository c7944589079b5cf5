"""Telling a webhook again what happened from a time on, in steps that a kill interrupts nowhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cme_kit.clock import Clock
from cme_kit.ids import new_id
from cme_kit.mongo import Database, Document, Index, Session
from cme_kit.outbox import Outbox, Transaction

from gateway.clients.domain import Client
from gateway.clients.service import Clients
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.domain import KEPT, Cause, Delivery, Message, State, Status, Webhook
from gateway.webhooks.messages import MessageRepository, first_id_of
from gateway.webhooks.offering import may_see
from gateway.webhooks.repository import WebhookRepository

REPLAYS = "webhook_replays"
INDEXES = (
    Index(REPLAYS, ("state", "_id")),
    Index(REPLAYS, ("created",), expire_seconds=int(KEPT.total_seconds())),
)
#: Messages of one step.
STEP = 100
RUNNING, DONE = "running", "done"


class Replays:
    """The replays of all webhooks."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        clients: Clients,
        webhooks: WebhookRepository,
        messages: MessageRepository,
        deliveries: DeliveryRepository,
        clock: Clock,
    ) -> None:
        self._replays = database.collection(REPLAYS)
        self._outbox = outbox
        self._clients = clients
        self._webhooks = webhooks
        self._messages = messages
        self._deliveries = deliveries
        self._clock = clock

    async def add(
        self, webhook_id: str, since: datetime, until: datetime, *, include_delivered: bool, session: Session
    ) -> Document:
        """Ask for a replay."""
        row: Document = {
            "_id": new_id("rpl"),
            "webhook_id": webhook_id,
            "since": since,
            "until": until,
            "include_delivered": include_delivered,
            "state": RUNNING,
            "scheduled": 0,
            "cursor": first_id_of(since),
            "created": self._clock.now(),
        }
        await self._replays.insert(row, session=session)
        return row

    async def find(self, webhook_id: str, replay_id: str) -> Document | None:
        """A replay of a webhook."""
        return await self._replays.find_one({"_id": replay_id, "webhook_id": webhook_id})

    async def is_running(self, webhook_id: str, session: Session) -> bool:
        """Whether a replay of a webhook is not done yet."""
        return await self._replays.find_one({"webhook_id": webhook_id, "state": RUNNING}, session) is not None

    async def advance(self) -> set[str]:
        """Do what was asked for; the webhooks that have something due by it."""
        due: set[str] = set()
        for running in await self._replays.find({"state": RUNNING}, sort=[("_id", 1)], limit=STEP):
            while await self._step(running["_id"]):
                due.add(running["webhook_id"])
        return due

    async def _step(self, replay_id: str) -> bool:
        """One step of a replay; whether there is more of it."""

        async def work(tx: Transaction) -> bool:
            replay = await self._replays.find_one({"_id": replay_id, "state": RUNNING}, tx.session)
            if replay is None:
                return False
            webhook = await self._webhooks.find(replay["webhook_id"], tx.session)
            client = await self._clients.active(webhook.client_id) if webhook else None
            if webhook is None or client is None or webhook.status is not Status.ACTIVE:
                await self._keep(replay, {"state": DONE}, tx.session)
                return False
            until = first_id_of(replay["until"])
            found = await self._messages.page(replay["cursor"], until, STEP, tx.session)
            wanted = [m for m in found if _wants(webhook, client, m)]
            scheduled = await self._schedule(webhook, wanted, replay["include_delivered"], tx.session)
            change = {"scheduled": replay["scheduled"] + scheduled}
            if len(found) < STEP:
                await self._keep(replay, change | {"state": DONE}, tx.session)
            else:
                await self._keep(replay, change | {"cursor": found[-1].message_id}, tx.session)
            return True

        return await self._outbox.transaction(work)

    async def _keep(self, replay: Document, change: dict[str, Any], session: Session) -> None:
        await self._replays.update({"_id": replay["_id"]}, {"$set": change}, session=session)

    async def _schedule(
        self, webhook: Webhook, messages: list[Message], include_delivered: bool, session: Session
    ) -> int:
        now = self._clock.now()
        known = await self._deliveries.known(webhook.webhook_id, [m.message_id for m in messages], session)
        missing = [
            Delivery(webhook.webhook_id, m.message_id, m.type, State.PENDING, Cause.REPLAY, now, due=now)
            for m in messages
            if m.message_id not in known
        ]
        await self._deliveries.add(missing, session)
        again = [
            message_id
            for message_id, state in known.items()
            if state is not State.PENDING and (include_delivered or state is not State.DELIVERED)
        ]
        resumed = await self._deliveries.begin_again(webhook.webhook_id, again, Cause.REPLAY, now, session)
        return len(missing) + resumed


def _wants(webhook: Webhook, client: Client, message: Message) -> bool:
    return (
        message.type in webhook.event_types
        and not message.test
        and message.webhook_id in (None, webhook.webhook_id)
        and may_see(client, message)
    )
