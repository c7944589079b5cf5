"""Samples of events, sent on request to see that a receiver works; each says that it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cme_contracts.examples import example_of
from cme_kit.clock import Clock
from cme_kit.ids import new_event_id
from cme_kit.outbox import Transaction
from cme_kit.problems import ServiceError

from gateway.clients.domain import Client
from gateway.webhooks import views
from gateway.webhooks.domain import Cause, Message
from gateway.webhooks.fan_out import FanOut, message_of
from gateway.webhooks.messages import MessageRepository
from gateway.webhooks.offering import OFFERED
from gateway.webhooks.schemas import DeliveryView, Triggered
from gateway.webhooks.service import Webhooks

#: Samples of one client within some time: nobody is flooded through us.
MOST, WITHIN = 60, timedelta(minutes=1)
#: Fields of a sample that are not to be as in the example; they fit the event (`TestRequest`).
Changes = Mapping[str, Any] | None


class TooManyTests(ServiceError):
    """A client sends samples too fast."""

    code, status = "too_many_requests", 429


class Samples:
    """Sends samples of events."""

    def __init__(self, webhooks: Webhooks, messages: MessageRepository, fan_out: FanOut, clock: Clock) -> None:
        self._webhooks = webhooks
        self._messages = messages
        self._fan_out = fan_out
        self._clock = clock

    async def send_test(
        self, tx: Transaction, client: Client, webhook_id: str, type_: str, data: Changes = None
    ) -> DeliveryView:
        """Send a sample to one webhook, whatever it listens for. Raises NotFound, WebhookIsDisabled or TooManyTests."""
        webhook = await self._webhooks.active(client, webhook_id, tx)
        message = replace(await self._sample(client, type_, data), webhook_id=webhook_id)
        await self._fan_out.tell_one(tx, message, webhook)
        return views.pending(webhook_id, message, Cause.TEST, self._clock.now())

    async def trigger(self, tx: Transaction, client: Client, type_: str, data: Changes = None) -> Triggered:
        """Send a sample to all webhooks of a client that listen for its type, and to who listens. Raises TooManyTests."""
        message = await self._sample(client, type_, data)
        webhook_ids = await self._fan_out.tell(tx, message)
        return Triggered(message_id=message.message_id, type=type_, webhook_ids=webhook_ids)

    async def _sample(self, client: Client, type_: str, data: Changes) -> Message:
        now = self._clock.now()
        if await self._messages.tests_since(client.client_id, now - WITHIN) >= MOST:
            seconds = str(int(WITHIN.total_seconds()))
            raise TooManyTests(f"At most {MOST} samples a minute.", headers={"Retry-After": seconds})
        event = example_of(OFFERED[type_].event_type, new_event_id(), now, data)
        return replace(message_of(event), client_id=client.client_id)
