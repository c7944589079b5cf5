"""From an event to its deliveries: in the transaction in which the event is applied, so that none is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from cme_contracts import CloudEvent
from cme_kit.clock import Clock
from cme_kit.outbox import Transaction

from gateway.clients.service import Clients
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.domain import Cause, Delivery, Message, State, Webhook
from gateway.webhooks.messages import MessageRepository
from gateway.webhooks.offering import OFFERED, Offer, may_see, values_of
from gateway.webhooks.repository import ConcernedRepository, WebhookRepository

#: Told of a message and the webhooks that it has new deliveries for, once they are committed.
Committed = Callable[[Message, Sequence[str]], None]


class FanOut:
    """Makes messages of events, and deliveries of messages."""

    def __init__(
        self,
        clients: Clients,
        webhooks: WebhookRepository,
        concerned: ConcernedRepository,
        messages: MessageRepository,
        deliveries: DeliveryRepository,
        clock: Clock,
    ) -> None:
        self._clients = clients
        self._webhooks = webhooks
        self._concerned = concerned
        self._messages = messages
        self._deliveries = deliveries
        self._clock = clock
        self.on_commit: Committed = lambda _message, _webhook_ids: None

    async def apply(self, tx: Transaction, event: CloudEvent) -> None:
        """Tell of an event whoever wants to know and may (the handler of every subscription)."""
        offer = OFFERED[event.type]
        message = await self._addressed(tx, offer, message_of(event))
        await self.tell(tx, message)
        for record_id in _records_of(message):
            await self._learn(tx, record_id, message.organisations)
        for record_id in values_of(event.data, offer.ends):
            await self._concerned.forget(record_id, tx.session)

    async def apply_made_up(self, tx: Transaction, event: CloudEvent) -> None:
        """Tell of an event of the sandbox whoever tries things out there; it concerns nobody."""
        await self.tell(tx, replace(message_of(event), sandbox=True))

    async def tell(self, tx: Transaction, message: Message) -> list[str]:
        """Keep a message and deliver it to the webhooks that listen for it; their ids."""
        await self._messages.add(message, self._clock.now(), tx.session)
        listening = await self._listening(tx, message)
        await self._deliver(tx, message, listening)
        return [webhook.webhook_id for webhook in listening]

    async def tell_one(self, tx: Transaction, message: Message, webhook: Webhook) -> None:
        """Keep a message and deliver it to one webhook."""
        await self._messages.add(message, self._clock.now(), tx.session)
        await self._deliver(tx, message, [webhook])

    async def _addressed(self, tx: Transaction, offer: Offer, message: Message) -> Message:
        """The message with the organisations that it concerns, and the records whose organisations are not known."""
        body = CloudEvent.model_validate_json(message.body).data
        organisations = set(values_of(body, offer.named))
        awaits = set()
        for record_id in sorted(set(values_of(body, offer.through))):
            known = await self._concerned.of(record_id, tx.session)
            if known is None:
                awaits.add(record_id)
            else:
                organisations |= known
        if organisations:
            awaits -= set(values_of(body, offer.tells))
        return replace(message, organisations=frozenset(organisations), awaits=frozenset(awaits))

    async def _learn(self, tx: Transaction, record_id: str, organisations: frozenset[str]) -> None:
        """A record concerns organisations; what came before they were known is told now.

        Streams are read side by side: what assessment states of a learner can come before enrolment's event of them.
        """
        known = await self._concerned.of(record_id, tx.session)
        if organisations <= (known or frozenset()):
            return
        await self._concerned.tell(record_id, organisations, tx.session)
        if known is not None:
            return
        for waiting in await self._messages.awaiting(record_id, tx.session):
            addressed = replace(
                waiting,
                organisations=waiting.organisations | organisations,
                awaits=waiting.awaits - {record_id},
            )
            await self._messages.know(addressed, tx.session)
            listening = await self._listening(tx, addressed)
            await self._deliver(tx, addressed, await self._without_delivery(tx, addressed, listening))
            for further in _records_of(addressed):
                await self._learn(tx, further, addressed.organisations)

    async def _listening(self, tx: Transaction, message: Message) -> list[Webhook]:
        """The webhooks that are told of a message: of those who may see it, and made before it happened."""
        wanted = []
        for webhook in await self._webhooks.listening_for(message.type, tx.session):
            client = await self._clients.active(webhook.client_id)
            if client is not None and may_see(client, message) and webhook.created <= message.time:
                wanted.append(webhook)
        return wanted

    async def _without_delivery(self, tx: Transaction, message: Message, webhooks: Sequence[Webhook]) -> list[Webhook]:
        ids = [message.message_id]
        return [w for w in webhooks if not await self._deliveries.known(w.webhook_id, ids, tx.session)]

    async def _deliver(self, tx: Transaction, message: Message, webhooks: Sequence[Webhook]) -> None:
        now = self._clock.now()
        cause = Cause.TEST if message.test else Cause.EVENT
        rows = [
            Delivery(w.webhook_id, message.message_id, message.type, State.PENDING, cause, now, due=now)
            for w in webhooks
        ]
        await self._deliveries.add(rows, tx.session)
        ids = [webhook.webhook_id for webhook in webhooks]
        tx.after_commit(lambda: self.on_commit(message, ids))


def _records_of(message: Message) -> list[str]:
    """The records that a message's event tells of."""
    body = CloudEvent.model_validate_json(message.body).data
    return sorted(set(values_of(body, OFFERED[message.type].tells)))


def message_of(event: CloudEvent) -> Message:
    """The message that tells of an event: its structured JSON, as it is sent and signed."""
    return Message(
        message_id=str(event.id),
        type=event.type,
        body=event.model_dump_json(exclude_none=True),
        time=event.time,
        traceparent=event.traceparent,
        test=bool(event.test),
    )
