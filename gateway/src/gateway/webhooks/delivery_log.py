"""What was sent to a webhook, and sending it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cme_kit.clock import Clock
from cme_kit.outbox import Transaction
from cme_kit.problems import Conflict, NotFound

from gateway.clients.domain import Client
from gateway.webhooks import views
from gateway.webhooks.deliveries import DeliveryRepository
from gateway.webhooks.domain import KEPT, Cause, State
from gateway.webhooks.messages import MessageRepository
from gateway.webhooks.replays import Replays
from gateway.webhooks.schemas import DeliveryView, DeliveryWithAttempts, ReplayRequest, ReplayView
from gateway.webhooks.service import Webhooks


class ReplayIsRunning(Conflict):
    """A replay of this webhook is not done yet."""

    code = "replay_running"


class DeliveryLog:
    """The deliveries of webhooks, for the clients that own them."""

    def __init__(
        self,
        webhooks: Webhooks,
        messages: MessageRepository,
        deliveries: DeliveryRepository,
        replays: Replays,
        clock: Clock,
    ) -> None:
        self._webhooks = webhooks
        self._messages = messages
        self._deliveries = deliveries
        self._replays = replays
        self._clock = clock
        #: Told of webhooks that have something due.
        self.on_due: Callable[[list[str]], None] = lambda _webhook_ids: None
        #: Called when a replay waits.
        self.on_replay: Callable[[], None] = lambda: None

    async def deliveries(
        self, client: Client, webhook_id: str, state: State | None, before: str | None, limit: int
    ) -> list[DeliveryView]:
        """A webhook's deliveries, the newest event first, one more than `limit`. Raises NotFound."""
        await self._webhooks.own(client, webhook_id)
        found = await self._deliveries.page(webhook_id, state, before, limit)
        return [views.delivery(delivery) for delivery in found]

    async def delivery(self, client: Client, webhook_id: str, message_id: str) -> DeliveryWithAttempts:
        """A delivery with its body and attempts. Raises NotFound."""
        await self._webhooks.own(client, webhook_id)
        found = await self._deliveries.find(webhook_id, message_id)
        if found is None:
            raise NotFound("delivery")
        message = await self._messages.find(message_id)
        return views.with_attempts(found, message)

    async def resend(self, tx: Transaction, client: Client, webhook_id: str, message_id: str) -> DeliveryView:
        """Begin a delivery again, with the same `webhook-id`. Raises NotFound or WebhookIsDisabled."""
        await self._webhooks.active(client, webhook_id, tx)
        found = await self._deliveries.find(webhook_id, message_id)
        if found is None or await self._messages.find(message_id) is None:
            raise NotFound("delivery")
        now = self._clock.now()
        if not await self._deliveries.begin_again(webhook_id, [message_id], Cause.RESEND, now, tx.session):
            return views.delivery(found)  # it is being sent at this moment
        tx.after_commit(lambda: self.on_due([webhook_id]))
        return views.delivery(replace(found, state=State.PENDING, cause=Cause.RESEND, due=now))

    async def replay(self, tx: Transaction, client: Client, webhook_id: str, request: ReplayRequest) -> ReplayView:
        """Tell a webhook again what happened from a time on. Raises NotFound, WebhookIsDisabled or ReplayIsRunning."""
        await self._webhooks.active(client, webhook_id, tx)
        if await self._replays.is_running(webhook_id, tx.session):
            raise ReplayIsRunning("A replay of this webhook is running. Wait until it is done.")
        now = self._clock.now()
        since, until = max(request.since, now - KEPT), min(request.until or now, now)
        row = await self._replays.add(
            webhook_id, since, until, include_delivered=request.include_delivered, session=tx.session
        )
        tx.after_commit(self.on_replay)
        return views.replay(row)

    async def find_replay(self, client: Client, webhook_id: str, replay_id: str) -> ReplayView:
        """A replay. Raises NotFound."""
        await self._webhooks.own(client, webhook_id)
        row = await self._replays.find(webhook_id, replay_id)
        if row is None:
            raise NotFound("replay")
        return views.replay(row)
